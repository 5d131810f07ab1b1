/** Rows as values that somebody else has made, for a job that puts them into a database. It knows nothing of what they mean. */
import type { Value } from '../../database/connection.ts'

/** A column's value that stands in a row of another table. */
export interface Reference {
  readonly table: string
  /** Columns and values that tell which row. */
  readonly where: Readonly<Record<string, Value>>
  readonly column: string
  /** What it will be where that row is not there yet, and is put in by the same job. */
  readonly otherwise: Value
}

export type Cell = Value | Reference

/** A value that takes long to make, or may not be made in vain: it is made only for a row that is to be put in. */
export interface LateCell {
  /** Throws a `LockkeeperError` where it cannot be made. Asked for new rows before anything is touched, in a dry run too. */
  readonly check?: () => void
  readonly make: () => Promise<Value>
}

export interface NewRow {
  readonly table: string
  /**
   * Columns that tell whether the row is there already; the same ones for every row of a table. Of rows with the same
   * key as many are taken as there already as there are in the database.
   */
  readonly key: Readonly<Record<string, Cell>>
  readonly values: Readonly<Record<string, Cell>>
  /** A column that tells as well that the row is there already, under another key by now: one that is made from the record. */
  readonly identity?: string
  /** By column. They are no part of the comparison with a row that is there. */
  readonly late?: Readonly<Record<string, LateCell>>
  /** A column that a row with another key must not share, such as a mail address. */
  readonly unique?: string
  /** Say so where a row with this key is there with other values. Default false. */
  readonly tellDifference?: boolean
  /** For messages: where it comes from. Never its content. */
  readonly source: string
}

/** A row that is to be put in, with nothing left to look up. */
export interface PlannedRow {
  readonly table: string
  readonly values: Readonly<Record<string, Value>>
  readonly late: Readonly<Record<string, LateCell>>
  readonly source: string
}

export interface TablePlan {
  readonly new: number
  readonly there: number
}

export interface RowsPlan {
  /** Table by table, in the order in which the first of each was given. */
  readonly rows: readonly PlannedRow[]
  /** By table. */
  readonly tables: Readonly<Record<string, TablePlan>>
  /** Rows that are there with other values, by their source. */
  readonly notes: readonly string[]
}
