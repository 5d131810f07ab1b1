/** How far a migration came that commits by itself and was stopped, and what goes on with it. Loaded only where one was. */
import type { Assessment } from '../migrations/assess.ts'
import type { MigrationRow } from '../migrations/bookkeeping.ts'
import type { Migration, Script } from '../migrations/model.ts'
import { type Progress, progressOf } from '../migrations/progress.ts'
import { canGoOn } from '../migrations/resume.ts'
import { split } from '../migrations/split.ts'

export interface Halted {
  readonly version: string
  readonly direction: Progress['direction']
  /** ISO 8601, UTC. */
  readonly begunAt: string
  /** The backup that was made before it began. */
  readonly backup: string | null
  /** So many of its statements are committed. Of a module nobody can tell: 0. */
  readonly done: number
  /** So many it has; null: it is a module, or its file is gone. */
  readonly statements: number | null
  /** What a person does next, and what that does. */
  readonly next: string
}

/** In the order of the bookkeeping. */
export function haltedOnes({ bookkeeping }: Assessment, migrations: readonly Migration[]): readonly Halted[] {
  return bookkeeping.rows.flatMap(row => {
    const progress = progressOf(row)
    const migration = migrations.find(({ version }) => version === row.version)
    return progress === undefined ? [] : [haltedOf(row, progress, migration)]
  })
}

function haltedOf(row: MigrationRow, progress: Progress, migration: Migration | undefined): Halted {
  const { backup, begunAt, direction, done } = progress
  const { version } = row
  const file = migration?.file ?? `the stored down of ${version}`
  const script = direction === 'up' ? migration?.up : (migration?.down ?? storedDown(row))
  const goesOn = direction === 'up' ? 'lockkeeper run' : `lockkeeper rollback --version ${version}`
  const statements = script?.kind === 'sql' ? [...split(script.sql)] : null
  const next =
    script === undefined
      ? 'put its file back'
      : canGoOn(script, progress)
        ? `${goesOn} ${goingOn(script, statements?.[done]?.line, file, done)}`
        : 'put its first statements back as they were, and change only what follows'
  return { version, direction, begunAt, backup, done, statements: statements?.length ?? null, next }
}

function storedDown({ down_sql }: MigrationRow): Script | undefined {
  return down_sql === null ? undefined : { kind: 'sql', sql: down_sql, line: 1 }
}

function goingOn(script: Script, line: number | undefined, file: string, done: number): string {
  if (script.kind === 'module') return 'runs it from its beginning'
  if (line === undefined) return 'checks the database and records that it is done'
  return `goes on with statement ${done + 1}, ${file}:${script.line + line - 1}`
}
