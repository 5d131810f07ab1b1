/**
 * A schema as plain data: what SQLite's pragmas report, and what only the text of a definition says, in a form in which
 * white space, comments, quotes around names and the case of keywords no longer show ("normalised", see normalise.ts).
 * Names keep the case in which they were written. Lists are sorted by name; columns stand in the table's own order.
 */

export interface Schema {
  readonly tables: readonly Table[]
  readonly views: readonly View[]
  readonly triggers: readonly Trigger[]
}

export interface Table {
  readonly name: string
  /** Of a virtual table its module with arguments, normalised: `fts5(title, body)`. Nothing below is known of one. */
  readonly virtual: string | null
  readonly columns: readonly Column[]
  readonly primaryKey: PrimaryKey | null
  /** UNIQUE constraints; unique indexes are among `indexes`. */
  readonly uniques: readonly Unique[]
  readonly checks: readonly Check[]
  readonly foreignKeys: readonly ForeignKey[]
  readonly indexes: readonly Index[]
  readonly withoutRowid: boolean
  readonly strict: boolean
}

export interface Column {
  readonly name: string
  /** The declared type as written, `VARCHAR(255)`; empty if there is none. */
  readonly type: string
  readonly notNull: boolean
  /** What an insert of NULL does, if ON CONFLICT says so (`REPLACE`); null for ABORT. */
  readonly notNullConflict: string | null
  /** SQL text as written. */
  readonly default: string | null
  /** Its place in the primary key, from 1; 0 if it is not part of it. */
  readonly primaryKey: number
  /** In capitals. */
  readonly collation: string
  readonly generated: { readonly kind: 'virtual' | 'stored'; readonly expression: string } | null
}

/** A constraint's own name; null if it has none. */
interface Named {
  readonly name: string | null
}

export interface Unique extends Named {
  readonly columns: readonly IndexedColumn[]
  /** `REPLACE`, `IGNORE`, `FAIL` or `ROLLBACK`; null for ABORT. */
  readonly onConflict: string | null
}

export interface PrimaryKey extends Unique {
  /** The column is the rowid itself: INTEGER PRIMARY KEY. */
  readonly rowid: boolean
  readonly autoincrement: boolean
}

export interface Check extends Named {
  /** Normalised, without the outer parentheses. */
  readonly expression: string
}

export interface ForeignKey extends Named {
  readonly columns: readonly string[]
  readonly parent: string
  /** The parent's primary key where the definition names no columns; null if that cannot be found out. */
  readonly parentColumns: readonly string[] | null
  /** `NO ACTION`, `CASCADE`, `RESTRICT`, `SET NULL`, `SET DEFAULT`. */
  readonly onUpdate: string
  readonly onDelete: string
  /** What MATCH says, in capitals, `NONE` without it. SQLite does nothing with it. */
  readonly match: string
  /** DEFERRABLE INITIALLY DEFERRED: the one form that SQLite does not check at once. */
  readonly deferred: boolean
}

export interface Index {
  readonly name: string
  readonly unique: boolean
  readonly columns: readonly IndexedColumn[]
  /** The condition of a partial index, normalised. */
  readonly where: string | null
}

export interface IndexedColumn {
  /** Null for an expression. */
  readonly name: string | null
  /** Normalised; null for a column. */
  readonly expression: string | null
  readonly descending: boolean
  readonly collation: string
}

export interface View {
  readonly name: string
  /** Everything after its name, normalised. */
  readonly definition: string
}

export interface Trigger {
  readonly name: string
  readonly table: string
  /** Everything after its name, normalised. */
  readonly definition: string
}

/** A schema without anything in it. */
export const emptySchema: Schema = { tables: [], views: [], triggers: [] }

/** A name as SQLite compares names: the letters A to Z without regard to case, all others exactly. */
export function fold(name: string): string {
  return /[^\0-\x7f]/.test(name) ? name.replace(/[A-Z]+/g, letters => letters.toLowerCase()) : name.toLowerCase()
}
