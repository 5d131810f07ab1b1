/** Jobs of the library on a workplace, in the process of the test: where the command line is not what is tested. */
import type { BackupResult } from '../../src/backup/create.ts'
import type { Tier } from '../../src/backup/format.ts'
import { backUp } from '../../src/job/backup.ts'
import type { JobEvent } from '../../src/job/events.ts'
import type { DeployOptions } from '../../src/job/options.ts'
import type { Workplace } from './workplace.ts'

/** What every job is given here. `events` gets what it tells. */
export function jobOptions(place: Workplace, events: JobEvent[] = []) {
  return {
    database: place.database,
    repository: { url: String(place.env['LOCKKEEPER_REPOSITORY']) },
    lockTimeout: 10_000,
    tmpdir: place.folder,
    actor: { host: 'a test', pod: null, namespace: null, node: null, image: null, job: null },
    listener: (event: JobEvent) => void events.push(event),
    viewInProcess: true,
  }
}

/** What a deploy is given beside that, and a rehearsal or a rollback. `more` goes before. */
export function deployOptions(place: Workplace, more: Partial<DeployOptions> = {}, events: JobEvent[] = []) {
  const job = { ...jobOptions(place, events), migrations: place.migrations, firstInstall: false, adopt: false }
  return { ...job, drift: { policy: 'fail', ignore: [] } as const, outOfOrder: 'fail' as const, ...more }
}

export function backUpIn(place: Workplace, ...tiers: Tier[]): Promise<BackupResult> {
  return backUp({ ...jobOptions(place), tiers: tiers.length === 0 ? ['manual'] : tiers })
}
