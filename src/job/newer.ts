/** The look at a database that a newer image has migrated. Loaded only then. */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { type Assessment, type AssessOptions, pendingOf } from '../migrations/assess.ts'
import type { MigrationRow } from '../migrations/bookkeeping.ts'
import type { Migration } from '../migrations/model.ts'
import { judgeNewer } from '../migrations/newer.ts'
import { refuseToGoOn } from '../migrations/resume.ts'
import type { DriftOptions } from '../validation/drift.ts'
import type { Finding } from '../validation/findings.ts'
import { isAsValidated, type Look } from './look.ts'

/**
 * As `look`. Where it is to stay as it is, its schema has to be the one that was validated last: what the newer
 * migrations describe, this image cannot tell.
 * @param beyond see `rowsBeyond`
 */
export async function lookFromBelow(
  connection: Connection,
  assessment: Assessment,
  migrations: readonly Migration[],
  beyond: readonly MigrationRow[],
  options: AssessOptions & { readonly drift: DriftOptions },
): Promise<Look> {
  const policy = options.onNewerSchema ?? 'fail'
  const { takeBack, warnings } = await judgeNewer(connection, assessment, migrations, beyond, policy)
  const pending = pendingOf(assessment, migrations, options, new Set(beyond.map(({ version }) => version)))
  refuseToGoOn(assessment)
  const findings: Finding[] = warnings.map(message => ({ part: 'migrations', severity: 'warn', message }))
  if (takeBack.length === 0 && !(await isAsValidated(connection, assessment)))
    findings.push(changedSince(assessment, options.drift))
  return { assessment, pending, takeBack, warnings: findings }
}

function changedSince({ level }: Assessment, { policy }: DriftOptions): Finding {
  const message = `the schema is not the one that was validated last, at ${level}, which this image does not know`
  if (policy === 'warn') return { part: 'schema', severity: 'warn', message }
  throw new LockkeeperError('invalid', message, {
    hint: 'Nothing was touched. Something has changed it by hand. Deploy the image that knows this level: its run says what differs; --drift warn starts the application all the same.',
  })
}
