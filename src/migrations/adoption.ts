/** Taking over a database that something else made (an ORM's `create_all`, say): which level is its schema at? */
import { type Connection, quoteName } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { compareSchemas, type Difference, objectsOf } from '../schema/compare.ts'
import { fold, type Schema } from '../schema/model.ts'
import { readSchema } from '../schema/read.ts'
import { lateOnes } from './assess.ts'
import { replayEach } from './expected.ts'
import { type ForeignRecord, readForeignRecord } from './foreign-record.ts'
import type { Migration } from './model.ts'

export interface Adoptable {
  /** The migrations that its schema already has. */
  readonly applied: readonly Migration[]
  /** Those of them that leave no trace in a schema (they change rows): nobody can tell whether they have run. */
  readonly unseen: readonly Migration[]
  /** What is there beyond them and belongs to no migration: the application's own, reported and left alone. */
  readonly extra: readonly Difference[]
  /** Another tool's table that says so. */
  readonly table?: string
}

/** What there is to go by. */
export interface Unmanaged {
  readonly schema: Schema
  readonly record: ForeignRecord | undefined
}

/** @throws LockkeeperError as `readForeignRecord` */
export async function readUnmanaged(connection: Connection, migrations: readonly Migration[]): Promise<Unmanaged> {
  return { schema: await readSchema(connection), record: await readForeignRecord(connection, migrations) }
}

/**
 * The level that another tool has written down, where one has, or else the one that the schema equals.
 * @param ignore see `findLevel`
 * @throws LockkeeperError `invalid` when the schema is not that of the level, or equals none; when it has parts of a later
 * migration; when the tool has left out one, unless the order may be another
 */
export async function takeoverLevel(
  { record, schema }: Unmanaged,
  migrations: readonly Migration[],
  { ignore, outOfOrder }: { readonly ignore: readonly string[]; readonly outOfOrder: 'fail' | 'allow' },
  signal?: AbortSignal,
): Promise<Adoptable> {
  if (record === undefined) return findLevel(schema, migrations, ignore, signal)
  const { applied, table } = record
  const level = applied.at(-1)?.version
  const pending = migrations.filter(migration => !applied.includes(migration))
  const late = lateOnes(applied, migrations, pending)
  if (late.length > 0 && outOfOrder === 'fail')
    throw new LockkeeperError('invalid', `by its table ${table} the database is at ${level}, but:\n  ${list(late)}`, {
      hint: 'Nothing was touched. If they are to run now, after those that are applied: --out-of-order allow.',
      details: { level, table, late },
    })
  const appearances = new Appearances()
  let differences: readonly Difference[] = []
  for await (const { schema: expected } of replayEach([...applied, ...pending], signal))
    if (appearances.add(expected) === applied.length)
      differences = compareSchemas(expected, schema, { ignore: [...ignore, table] })
  const failing = differences.filter(({ kind }) => kind !== 'extra')
  if (failing.length > 0)
    throw new LockkeeperError(
      'invalid',
      `by its table ${table} the database is at ${level}, but its schema is not:\n  ${list(failing.map(({ message }) => message))}`,
      {
        hint: 'Nothing was touched. Mend the schema by hand and run again; or, if the record is wrong, name the level that it has: lockkeeper baseline --version.',
        details: { level, table, differences: failing.map(({ message }) => message) },
      },
    )
  const found = { applied, unseen: [], extra: differences, table }
  refuseParts(found, appearances, [...applied, ...pending])
  return found
}

/** Which objects come with which level, counted from 1, where they were not there just before. */
class Appearances {
  readonly #levels = new Map<string, number[]>()
  #objects: ReadonlySet<string> = new Set()
  #count = 0

  /** @returns the number of this level */
  add(schema: Schema): number {
    this.#count++
    const there = new Set(objectsOf(schema).map(keyOf))
    for (const key of there)
      if (!this.#objects.has(key)) this.#levels.set(key, [...(this.#levels.get(key) ?? []), this.#count])
    this.#objects = there
    return this.#count
  }

  levelsOf(object: Pick<Difference, 'object' | 'name'>): readonly number[] {
    return this.#levels.get(keyOf(object)) ?? []
  }
}

/**
 * Finds the level that a schema equals: nothing is missing or different there, as little as possible is there beyond it,
 * and of several such levels the highest. What is beyond a level may be what a later migration drops.
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
  let before: Schema | undefined
  const appearances = new Appearances()
  const replayed: Migration[] = []
  const unseen: Migration[] = []
  for await (const { migration, schema: expected } of replayEach(migrations, signal)) {
    replayed.push(migration)
    if (before !== undefined && compareSchemas(before, expected).length === 0) unseen.push(migration)
    before = expected
    appearances.add(expected)
    const differences = compareSchemas(expected, schema, { ignore })
    const failing = differences.filter(difference => difference.kind !== 'extra')
    if (failing.length === 0 && (found === undefined || differences.length <= found.extra.length))
      found = { applied: [...replayed], unseen: [...unseen], extra: differences }
    if (nearest === undefined || failing.length < nearest.differences.length)
      nearest = { version: migration.version, differences: failing }
  }
  if (found === undefined)
    throw new LockkeeperError(
      'invalid',
      `the database has tables but no bookkeeping, and its schema equals no level of the migrations. Nearest is ${nearest?.version ?? 'none'}, but:\n  ${list((nearest?.differences ?? []).map(({ message }) => message))}`,
      { hint: 'Nothing was touched. Bring the schema to a level by hand, then run again with --adopt.' },
    )
  refuseParts(found, appearances, replayed)
  return found
}

/** What a migration that was broken off has left behind; it would fail on that, or run into what is different from its own. */
function refuseParts({ applied, extra }: Adoptable, appearances: Appearances, migrations: readonly Migration[]): void {
  const parts = extra.flatMap(({ object, name, table }) => {
    const level = appearances.levelsOf({ object, name }).find(level => level > applied.length)
    const version = level && migrations[level - 1]?.version
    return version === undefined ? [] : [{ object, name, table, version }]
  })
  if (parts.length === 0) return
  const level = applied.at(-1)?.version
  const versions = [...new Set(parts.map(({ version }) => version))].join(', ')
  const names = parts.map(
    ({ object, name, table }) => `${object} ${name}${table === undefined || name === table ? '' : ` on ${table}`}`,
  )
  const removal = parts.map(({ object, name }) => `DROP ${object.toUpperCase()} ${quoteName(name)};`).join(' ')
  throw new LockkeeperError(
    'invalid',
    `the database has tables but no bookkeeping; its schema has everything up to ${level}, and parts of a later migration (${versions}):\n  ${list(names)}`,
    {
      hint: parts.some(({ object }) => object === 'table')
        ? `Nothing was touched. A table may hold rows: look first. Then remove these parts, or complete ${versions} by hand; and run again with --adopt.`
        : `Nothing was touched. None of these holds rows, and ${versions} will make them anew. Remove them, and run again with --adopt:\n  ${removal}`,
      details: { level, parts: parts.map(({ object, name, version }) => ({ object, name, version })) },
    },
  )
}

function keyOf({ object, name }: Pick<Difference, 'object' | 'name'>): string {
  return `${object} ${fold(name)}`
}

function list(lines: readonly string[]): string {
  const shown = lines.slice(0, 20)
  if (lines.length > shown.length) shown.push(`and ${lines.length - shown.length} more`)
  return shown.join('\n  ')
}
