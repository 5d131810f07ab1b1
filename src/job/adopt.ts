/** A database that has tables but no bookkeeping: an ORM made it, or another tool. */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { type Adoptable, readUnmanaged, takeoverLevel, type Unmanaged } from '../migrations/adoption.ts'
import type { Migration } from '../migrations/model.ts'
import type { Listener } from './events.ts'
import type { DeployOptions } from './options.ts'

/** Names the level at which it could be taken over. @throws LockkeeperError `invalid`, always */
export async function refuseUnadopted(
  unmanaged: Unmanaged,
  { database, drift, outOfOrder, signal }: Pick<DeployOptions, 'database' | 'drift' | 'outOfOrder' | 'signal'>,
  migrations: readonly Migration[],
): Promise<never> {
  const { applied, table } = await takeoverLevel(unmanaged, migrations, { ignore: drift.ignore, outOfOrder }, signal)
  const level = applied.at(-1)?.version
  const by = table === undefined ? '' : `, and so says its table ${table}`
  throw new LockkeeperError(
    'invalid',
    `${database} has tables but no bookkeeping; its schema equals level ${level}${by}`,
    {
      hint: 'Nothing was touched. Take it over at that level, and go on from there, with: lockkeeper run --adopt',
      details: { level },
    },
  )
}

/** The migrations that it has already. @throws LockkeeperError `invalid` when its schema equals no level */
export async function adoptable(
  connection: Connection,
  { drift, outOfOrder, signal }: DeployOptions,
  migrations: readonly Migration[],
): Promise<Adoptable> {
  // What it has beyond them is warned of before the commit, as after any change.
  const unmanaged = await readUnmanaged(connection, migrations)
  return takeoverLevel(unmanaged, migrations, { ignore: drift.ignore, outOfOrder }, signal)
}

/** Says at which level it is taken over, and what of that nobody can see. */
export function noteAdoption(listener: Listener, { applied, table, unseen }: Omit<Adoptable, 'extra'>): void {
  for (const { version } of unseen)
    listener({
      kind: 'warning',
      step: 'look',
      message: `${version} changes rows only, so whether it has run cannot be seen: it is taken as applied`,
    })
  const by = table === undefined ? '' : `, by its table ${table}`
  listener({ kind: 'note', step: 'look', message: `taken over at ${applied.at(-1)?.version}${by}` })
}
