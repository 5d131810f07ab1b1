/** The row guard: counts again where rows could have changed, and refuses a loss that nobody allowed. */
import type { Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import type { Applied } from '../migrations/apply.ts'
import { countRows, describeLoss, type RowCounts, type RowLoss } from '../migrations/rows.ts'
import { aftermath, type Change, type ChangeContext } from './model.ts'

/** @param before counts of all tables; those that were not touched are taken from there */
export async function countAgain(
  db: Workspace,
  { renames, touched }: Applied,
  before: RowCounts,
  exclude: readonly string[],
): Promise<RowCounts> {
  const stale = new Set([...touched, ...renames.keys(), ...renames.values()].map(name => name.toLowerCase()))
  const after = new Map([...before].filter(([name]) => !stale.has(name.toLowerCase())))
  for (const [name, rows] of await countRows(db, exclude, [...stale])) after.set(name, rows)
  return after
}

/** How to say that the rows of these tables may go. */
const permission = {
  migrate: 'say so in the migration: -- allow-row-loss: ',
  rollback: 'roll back with --allow-row-loss. Concerned are: ',
}

export function unpermitted(
  change: Change,
  context: ChangeContext,
  version: string,
  losses: readonly RowLoss[],
): LockkeeperError {
  const would = change.transaction ? 'would lose' : 'has lost'
  const tables = losses.map(loss => loss.table).join(', ')
  return new LockkeeperError(
    'invalid',
    `${version} ${would} rows that nobody allowed it to lose:\n${losses.map(loss => `  ${describeLoss(loss)}`).join('\n')}`,
    {
      hint: `${aftermath(change, context)} If it is meant, ${permission[change.action]}${tables}`,
      details: { version, losses },
    },
  )
}
