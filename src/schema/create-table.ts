/**
 * What only the text of a CREATE TABLE says and no pragma does: collations, expressions, CHECKs, the names of
 * constraints, ON CONFLICT, AUTOINCREMENT, deferred foreign keys. The text is one that SQLite has accepted and stored,
 * so that nothing is checked here; everything else about a table comes from the pragmas.
 */
import { Cursor, items } from './cursor.ts'
import { fold } from './model.ts'
import { nameOf, significantTokens, type Token } from './tokens.ts'

export interface TableText {
  /** By folded name. */
  readonly columns: ReadonlyMap<string, ColumnText>
  readonly primaryKey: KeyText | undefined
  readonly autoincrement: boolean
  readonly uniques: readonly KeyText[]
  readonly checks: readonly { readonly name: string | null; readonly expression: readonly Token[] }[]
  /** In the order of the text. */
  readonly foreignKeys: readonly ForeignKeyText[]
}

export interface ColumnText {
  collation: string
  generated: readonly Token[] | null
  notNullConflict: string | null
}

export interface KeyText {
  readonly name: string | null
  /** Folded. */
  readonly columns: readonly string[]
  readonly onConflict: string | null
}

interface ForeignKeyText {
  readonly name: string | null
  match: string
  deferred: boolean
}

export function readCreateTable(sql: string): TableText {
  const tokens = significantTokens(sql)
  return new TableReader(tokens).read()
}

/** None of them can be a column's name without quotes. */
const tableConstraints = new Set(['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN'])

class TableReader {
  readonly #cursor: Cursor
  readonly #columns = new Map<string, ColumnText>()
  readonly #uniques: KeyText[] = []
  readonly #checks: { name: string | null; expression: Token[] }[] = []
  readonly #foreignKeys: ForeignKeyText[] = []
  #primaryKey: KeyText | undefined
  #autoincrement = false
  /** From `CONSTRAINT name`, for the constraint that comes next. */
  #name: string | null = null
  /** The same for CHECKs: SQLite gives the name to every one that follows it, up to the next column or comma. */
  #checkName: string | null = null

  constructor(tokens: readonly Token[]) {
    const opening = tokens.findIndex(token => token.text === '(')
    this.#cursor = new Cursor(tokens, opening + 1)
  }

  read(): TableText {
    const cursor = this.#cursor
    while (!cursor.done && !cursor.sees(')') && !tableConstraints.has(cursor.symbol)) {
      this.#readColumn()
      cursor.takes(',')
    }
    while (!cursor.done && !cursor.sees(')')) {
      this.#readItem(undefined)
      if (cursor.takes(',')) this.#name = this.#checkName = null
    }
    return {
      columns: this.#columns,
      primaryKey: this.#primaryKey,
      autoincrement: this.#autoincrement,
      uniques: this.#uniques,
      checks: this.#checks,
      foreignKeys: this.#foreignKeys,
    }
  }

  #readColumn(): void {
    const name = fold(this.#cursor.name())
    this.#name = this.#checkName = null
    this.#columns.set(name, { collation: 'BINARY', generated: null, notNullConflict: null })
    this.#readItem(name)
  }

  /** Up to the comma or parenthesis that ends it: a column's type and constraints, or constraints of the table. */
  #readItem(column: string | undefined): void {
    const cursor = this.#cursor
    while (!cursor.done && !cursor.sees(',') && !cursor.sees(')')) {
      if (cursor.takes('CONSTRAINT')) this.#name = this.#checkName = cursor.name()
      else if (!this.#readConstraint(column)) this.#skipOne()
    }
  }

  #skipOne(): void {
    if (this.#cursor.sees('(')) this.#cursor.parenthesised()
    else this.#cursor.skip()
  }

  #readConstraint(column: string | undefined): boolean {
    const cursor = this.#cursor
    switch (cursor.symbol) {
      case 'CHECK':
        cursor.skip()
        this.#checks.push({ name: this.#checkName, expression: cursor.parenthesised() })
        this.#name = null
        return true
      case 'PRIMARY':
        cursor.takes('PRIMARY', 'KEY')
        this.#primaryKey = this.#readKey(column)
        return true
      case 'UNIQUE':
        cursor.skip()
        this.#uniques.push(this.#readKey(column))
        return true
      case 'REFERENCES':
        cursor.skip()
        this.#readReference()
        return true
      case 'DEFERRABLE':
        cursor.skip()
        this.#readDeferral(true)
        return true
    }
    if (cursor.takes('NOT', 'DEFERRABLE')) {
      this.#readDeferral(false)
      return true
    }
    return column !== undefined && this.#readColumnConstraint(this.#columns.get(column)!)
  }

  #readColumnConstraint(column: ColumnText): boolean {
    const cursor = this.#cursor
    if (cursor.takes('NOT', 'NULL')) column.notNullConflict = this.#conflict()
    else if (cursor.takes('COLLATE')) column.collation = cursor.word()
    else if (cursor.takes('AS')) column.generated = cursor.parenthesised()
    else return false
    return true
  }

  #readKey(column: string | undefined): KeyText {
    const cursor = this.#cursor
    const name = this.#takeName()
    const list = items(cursor.parenthesised())
    // In a table's constraint AUTOINCREMENT stands inside the parentheses.
    if (list.some(item => item.at(-1)?.text.toUpperCase() === 'AUTOINCREMENT')) this.#autoincrement = true
    if (!cursor.takes('ASC')) cursor.takes('DESC')
    const onConflict = this.#conflict()
    if (cursor.takes('AUTOINCREMENT')) this.#autoincrement = true
    const columns = column === undefined ? list.map(item => fold(nameOf(item[0]?.text ?? ''))) : [column]
    return { name, columns, onConflict }
  }

  #readReference(): void {
    const cursor = this.#cursor
    const foreignKey: ForeignKeyText = { name: this.#takeName(), match: 'NONE', deferred: false }
    this.#foreignKeys.push(foreignKey)
    cursor.skip()
    cursor.parenthesised()
    for (;;) {
      if (cursor.takes('MATCH')) foreignKey.match = cursor.word()
      else if (cursor.takes('ON')) {
        cursor.skip()
        // SET NULL, SET DEFAULT and NO ACTION are two words.
        if (cursor.takes('SET') || cursor.takes('NO')) cursor.skip()
        else cursor.skip()
      } else return
    }
  }

  #readDeferral(deferrable: boolean): void {
    const cursor = this.#cursor
    const deferred = cursor.takes('INITIALLY') && cursor.word() === 'DEFERRED'
    const foreignKey = this.#foreignKeys.at(-1)
    if (foreignKey !== undefined) foreignKey.deferred = deferrable && deferred
  }

  /** ABORT is what happens without a clause, too. */
  #conflict(): string | null {
    if (!this.#cursor.takes('ON', 'CONFLICT')) return null
    const word = this.#cursor.word()
    return word === 'ABORT' ? null : word
  }

  #takeName(): string | null {
    const name = this.#name
    this.#name = null
    return name
  }
}
