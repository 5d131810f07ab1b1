/** Whether, and where, a migration that was stopped in the middle can go on. Loaded only where one was. */
import { createHash } from 'node:crypto'
import { LockkeeperError } from '../errors.ts'
import type { Assessment } from './assess.ts'
import type { Migration, Script } from './model.ts'
import { type Progress, progressOf } from './progress.ts'
import { split } from './split.ts'

/** One that was stopped on its way up, if there is one; its file may have been changed since. */
export function haltedOne({
  bookkeeping,
  pending,
}: Assessment): { readonly migration: Migration; readonly progress: Progress } | undefined {
  for (const row of bookkeeping.rows) {
    const progress = progressOf(row)
    const migration = pending.find(({ version }) => version === row.version)
    if (migration !== undefined && progress?.direction === 'up') return { migration, progress }
  }
  return undefined
}

/** @throws LockkeeperError `invalid` where a migration was stopped on its way up and can no longer go on */
export function refuseToGoOn(assessment: Assessment): void {
  const halted = haltedOne(assessment)
  if (halted === undefined) return
  const { migration, progress } = halted
  refuseOtherBeginning(migration.version, migration.up, progress)
  refuseTransaction(migration.version, migration.directives.transaction, progress)
}

/** @throws LockkeeperError `invalid` where one that was stopped would run in a transaction now, which begins anew */
export function refuseTransaction(version: string, transaction: boolean, { begunAt, done }: Progress): void {
  if (!transaction || done === 0) return
  throw new LockkeeperError(
    'invalid',
    `${version}, begun at ${begunAt}, was stopped after ${done} statements, which are committed; now it asks for a transaction`,
    {
      hint: 'Nothing was touched. Put "-- transaction: off" back into the file, and it goes on with the next statement.',
      details: { version, done },
    },
  )
}

/** @throws LockkeeperError `invalid` where a migration that was stopped begins with other statements now */
export function refuseOtherBeginning(version: string, script: Script, progress: Progress): void {
  if (canGoOn(script, progress)) return
  const { backup, begunAt, done } = progress
  const back = backup === null ? 'there is none' : `lockkeeper restore --id ${backup}`
  throw new LockkeeperError(
    'invalid',
    `${version}, begun at ${begunAt}, was stopped after ${done} statements, which are committed; now it begins with others`,
    {
      hint: `Nothing was touched. Put those back as they were and change only what follows, or restore the backup that was made before it: ${back}.`,
      details: { version, done },
    },
  )
}

/**
 * SHA-256 (hex) over the first so many statements of a script, asked for with counts that only grow: each statement is
 * read once. Of a module it is always the same.
 */
export function prefixesOf(script: Script): (count: number) => string {
  const hash = createHash('sha256')
  const statements = script.kind === 'sql' ? split(script.sql) : undefined
  let read = 0
  return count => {
    for (; read < count; read++) {
      const next = statements?.next()
      if (next === undefined || next.done === true) break
      hash.update(next.value.sql).update('\0')
    }
    return hash.copy().digest('hex')
  }
}

/** Whether a script begins with the statements that have run; a module, and one of which nothing has run, always does. */
export function canGoOn(script: Script, { done, prefix }: Progress): boolean {
  return done === 0 || (script.kind === 'sql' && prefixesOf(script)(done) === prefix)
}

/** The part of a script that has run. */
export function donePart(script: Extract<Script, { kind: 'sql' }>, done: number): Script {
  let end = 0
  let count = 0
  for (const { sql, start } of split(script.sql)) {
    if (count++ === done) break
    end = start + sql.length
  }
  return { ...script, sql: script.sql.slice(0, end) }
}
