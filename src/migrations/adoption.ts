/** Taking over a database that something else made (an ORM's `create_all`, say): which level is its schema at? */
import { LockkeeperError } from '../errors.ts'
import { compareSchemas, type Difference } from '../schema/compare.ts'
import { fold, type Schema } from '../schema/model.ts'
import { replayEach } from './expected.ts'
import type { Migration } from './model.ts'

export interface Adoptable {
  /** The migrations that its schema already has. */
  readonly applied: readonly Migration[]
  /** What is there beyond them and belongs to no migration: the application's own, reported and left alone. */
  readonly extra: readonly Difference[]
}

/**
 * Finds the level that a schema equals: the highest at which nothing is missing or different.
 * @param ignore names (globs) that count neither as missing nor as extra
 * @throws LockkeeperError `invalid` when it equals none, or when it has parts of a later migration: which ones.
 */
export async function findLevel(
  schema: Schema,
  migrations: readonly Migration[],
  ignore: readonly string[],
  signal?: AbortSignal,
): Promise<Adoptable> {
  let found: Adoptable | undefined
  let nearest: { version: string; differences: readonly Difference[] } | undefined
  const known = new Set<string>()
  const applied: Migration[] = []
  for await (const { migration, schema: expected } of replayEach(migrations, signal)) {
    applied.push(migration)
    for (const name of objectsOf(expected)) known.add(name)
    const differences = compareSchemas(expected, schema, { ignore })
    const failing = differences.filter(difference => difference.kind !== 'extra')
    if (failing.length === 0) found = { applied: [...applied], extra: differences }
    if (nearest === undefined || failing.length < nearest.differences.length)
      nearest = { version: migration.version, differences: failing }
  }
  if (found === undefined)
    throw new LockkeeperError(
      'invalid',
      `the database has tables but no bookkeeping, and its schema equals no level of the migrations. Nearest is ${nearest?.version ?? 'none'}, but:\n  ${list(nearest?.differences ?? [])}`,
      { hint: 'Nothing was touched. Bring the schema to a level by hand, then run again with --adopt.' },
    )
  const half = found.extra.filter(difference => known.has(`${difference.object} ${fold(difference.name)}`))
  if (half.length > 0)
    throw new LockkeeperError(
      'invalid',
      `the database has tables but no bookkeeping; its schema has everything up to ${found.applied.at(-1)?.version}, and parts of a later migration:\n  ${list(half)}`,
      {
        hint: 'Nothing was touched. Remove these parts, or complete that migration by hand; then run again with --adopt.',
      },
    )
  return found
}

function list(differences: readonly Difference[]): string {
  const shown = differences.slice(0, 20).map(difference => difference.message)
  if (differences.length > shown.length) shown.push(`and ${differences.length - shown.length} more`)
  return shown.join('\n  ')
}

/** Every object of a schema, as `table users`. */
function objectsOf({ tables, triggers, views }: Schema): string[] {
  return [
    ...tables.map(({ name }) => `table ${fold(name)}`),
    ...tables.flatMap(({ indexes }) => indexes.map(({ name }) => `index ${fold(name)}`)),
    ...triggers.map(({ name }) => `trigger ${fold(name)}`),
    ...views.map(({ name }) => `view ${fold(name)}`),
  ]
}
