/** The row guard: counts again where rows could have changed, and refuses a loss that nobody allowed. */
import type { Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import type { Applied } from '../migrations/apply.ts'
import { countRows, describeLoss, placesOf, type RowCounts, type RowLoss } from '../migrations/rows.ts'
import { fold } from '../schema/model.ts'
import { type Left, nameGone, noteLeft } from './gone-rows.ts'
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

/** Where the tables of a step stand among those of the whole change. */
export interface Standing {
  /** Rows before the change. */
  readonly original: RowCounts
  /** Where tables went in the steps before this one. */
  readonly earlier: ReadonlyMap<string, string>
  /** Rows before and after this step, and where tables went in it. */
  readonly before: RowCounts
  readonly after: RowCounts
  readonly renames: ReadonlyMap<string, string>
}

/** A loss that nobody allowed; what it is about is completed once the change is rolled back. */
export class Unpermitted extends Error {
  readonly #version: string
  readonly #losses: readonly RowLoss[]
  readonly #left: readonly Left[]

  private constructor(version: string, losses: readonly RowLoss[], left: readonly Left[]) {
    super('rows were lost')
    this.#version = version
    this.#losses = losses
    this.#left = left
  }

  /** While the migration still stands. */
  static async note(db: Workspace, version: string, losses: readonly RowLoss[], standing: Standing) {
    const places = placesOf(standing.before.keys(), standing.after.keys(), standing.renames)
    const origins = new Map([...standing.earlier].map(([was, is]) => [is, was]))
    const left: Left[] = []
    for (const loss of losses) {
      const folded = fold(loss.table)
      const was = [...standing.original.keys()].find(name => fold(name) === (origins.get(folded) ?? folded))
      // What an earlier step took with permission would be named as well.
      if (was === undefined || standing.original.get(was) !== loss.before) continue
      const noted = await noteLeft(db, loss, was, places.get(loss.table))
      if (noted !== undefined) left.push(noted)
    }
    return new Unpermitted(version, losses, left)
  }

  /** Once it is rolled back; what commits by itself is not, and no row of it can be named. */
  async explain(db: Workspace, change: Change, context: ChangeContext): Promise<LockkeeperError> {
    const gone = new Map<RowLoss, string>()
    if (change.transaction)
      for (const left of this.#left) {
        const named = await nameGone(db, left)
        if (named !== undefined) gone.set(left.loss, named)
      }
    const lines = this.#losses.map(loss => `  ${describeLoss(loss)}${gone.has(loss) ? `: gone ${gone.get(loss)}` : ''}`)
    const would = change.transaction ? 'would lose' : 'has lost'
    const tables = this.#losses.map(loss => loss.table).join(', ')
    return new LockkeeperError(
      'invalid',
      `${this.#version} ${would} rows that nobody allowed it to lose:\n${lines.join('\n')}`,
      {
        hint: `${aftermath(change, context)} If it is meant, ${permission[change.action]}${tables}`,
        details: {
          version: this.#version,
          losses: this.#losses.map(loss => ({ ...loss, gone: gone.get(loss) ?? null })),
        },
      },
    )
  }
}

/** How to say that the rows of these tables may go. */
const permission = {
  migrate: 'say so in the migration, or in lockkeeper.json beside it: -- allow-row-loss: ',
  rollback: 'roll back with --allow-row-loss. Concerned are: ',
}
