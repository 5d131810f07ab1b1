/** Random tables, for fast-check: what they are, and one of the many ways of writing them down. */
import fc from 'fast-check'
import type { Check, Column, ForeignKey, Table } from '../../src/schema/model.ts'

/** Of a table what its text alone says, and what is easily told. */
export type Described = Pick<Table, 'columns' | 'checks' | 'foreignKeys'> & { readonly keys: readonly string[] }

export interface Written {
  readonly sql: string
  readonly described: Described
}

const spellings: readonly (readonly [name: string, spelling: string])[] = [
  ['plain', 'plain'],
  ['Case', '"Case"'],
  ['check', '[check]'],
  ['a b', '`a b`'],
  ['q"t', '"q""t"'],
  ['ключ', 'ключ'],
  ['unique (x', '"unique (x"'],
  ["it's", '"it\'s"'],
  [', as', '[, as]'],
  ['key', 'key'],
]
const types = ['', 'INTEGER', 'VARCHAR(10)', 'DECIMAL ( 10 , 2 )', '"check"', 'long word type']
const defaults: readonly (readonly [value: string | null, spelling: string])[] = [
  [null, ''],
  ['1', 'DEFAULT 1'],
  ['-1', 'DEFAULT -1'],
  ["'CHECK (x), COLLATE ('", "DEFAULT 'CHECK (x), COLLATE ('"],
  ['abs(1, 2)', 'DEFAULT (abs(1, 2))'],
  ['CURRENT_TIMESTAMP', 'DEFAULT CURRENT_TIMESTAMP'],
]
const actions = ['NO ACTION', 'CASCADE', 'RESTRICT', 'SET NULL', 'SET DEFAULT']
const conflicts = [null, null, 'REPLACE', 'IGNORE', 'FAIL', 'ROLLBACK']
const texts = ["'a)b'", "''''", "', CHECK ('", "'COLLATE x'"]

interface Piece {
  readonly name: string | null
  /** As a column's constraint and as the table's; the same for a CHECK. */
  readonly inColumn: string
  readonly inTable: string
  readonly check?: Check
  readonly foreignKey?: ForeignKey
  readonly key?: string
}

const name = fc.constantFrom(...[null, null, 'c1', 'unique'])
const named = (constraint: string | null) => (constraint === null ? '' : `CONSTRAINT "${constraint}" `)

const check = (column: string) =>
  fc.tuple(name, fc.constantFrom(...texts)).map(([constraint, text]): Piece => {
    const sql = `${named(constraint)}CHECK (("${column.replaceAll('"', '""')}" <> ${text}))`
    const folded = /^[a-z]+$/.test(column) ? column : `"${column.toLowerCase().replaceAll('"', '""')}"`
    const plain = column === 'ключ' || column === 'Case' || column === 'check' ? column.toLowerCase() : folded
    return {
      name: constraint,
      inColumn: sql,
      inTable: sql,
      check: { name: constraint, expression: `(${plain} <> ${text})` },
    }
  })

const reference = (column: string, spelling: string) =>
  fc
    .record({
      constraint: name,
      onDelete: fc.constantFrom(...actions),
      onUpdate: fc.constantFrom(...actions),
      match: fc.constantFrom('NONE', 'FULL', 'SIMPLE'),
      deferral: fc.constantFrom('', 'DEFERRABLE', 'DEFERRABLE INITIALLY DEFERRED', 'NOT DEFERRABLE INITIALLY DEFERRED'),
    })
    .map(({ constraint, onDelete, onUpdate, match, deferral }): Piece => {
      const clause = [
        `REFERENCES "p""x" (id)`,
        `ON DELETE ${onDelete}`,
        match === 'NONE' ? '' : `MATCH ${match}`,
        `ON UPDATE ${onUpdate}`,
        deferral,
      ].join(' ')
      const foreignKey: ForeignKey = {
        name: constraint,
        columns: [column],
        parent: 'p"x',
        parentColumns: ['id'],
        onDelete,
        onUpdate,
        match,
        deferred: deferral === 'DEFERRABLE INITIALLY DEFERRED',
      }
      return {
        name: constraint,
        inColumn: `${named(constraint)}${clause}`,
        inTable: `${named(constraint)}FOREIGN KEY (${spelling}) ${clause}`,
        foreignKey,
      }
    })

const unique = (column: string, spelling: string) =>
  fc.tuple(name, fc.constantFrom(...conflicts)).map(([constraint, action]): Piece => {
    const conflict = action === null ? '' : ` ON CONFLICT ${action}`
    return {
      name: constraint,
      inColumn: `${named(constraint)}UNIQUE${conflict}`,
      inTable: `${named(constraint)}UNIQUE (${spelling} ASC)${conflict}`,
      key: `${column} ${constraint} ${action}`,
    }
  })

interface ColumnPlan {
  readonly column: Column
  readonly head: string
  /** In the order of the text, which SQLite keeps for foreign keys. */
  readonly own: readonly Piece[]
  readonly moved: readonly Piece[]
}

const columnPlan = ([columnName, spelling]: readonly [string, string]): fc.Arbitrary<ColumnPlan> =>
  fc
    .record({
      type: fc.constantFrom(...types),
      notNull: fc.constantFrom('', 'NULL', 'NOT NULL', 'NOT NULL ON CONFLICT IGNORE'),
      standard: fc.constantFrom(...defaults),
      collation: fc.constantFrom('', 'COLLATE nocase', 'COLLATE "RTRIM"'),
      options: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      checks: fc.array(check(columnName), { maxLength: 2 }),
      references: fc.array(reference(columnName, spelling), { maxLength: 2 }),
      uniques: fc.array(unique(columnName, spelling), { maxLength: 1 }),
      inTable: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    })
    .map(({ type, notNull, standard, collation, options, checks, references, uniques, inTable }) => {
      const settings = [notNull, standard[1], collation]
      const pieces = [...checks, ...uniques, ...references]
      return {
        head: [spelling, type, ...options.map(at => settings[at])].filter(text => text !== '').join(' '),
        own: pieces.filter((_, at) => !inTable[at]),
        moved: pieces.filter((_, at) => inTable[at]),
        column: {
          name: columnName,
          type: type.replaceAll('"', ''),
          notNull: notNull.startsWith('NOT NULL'),
          notNullConflict: notNull.endsWith('IGNORE') ? 'IGNORE' : null,
          default: standard[0],
          primaryKey: 0,
          collation: /nocase|RTRIM/.exec(collation)?.[0].toUpperCase() ?? 'BINARY',
          generated: null,
        },
      }
    })

/** A CHECK without a name has the name of the constraint before it: SQLite's own rule. */
function namedChecks(pieces: readonly Piece[]): Check[] {
  let current: string | null = null
  return pieces.flatMap(({ name, check }) => {
    current = name ?? current
    return check === undefined ? [] : [{ ...check, name: current }]
  })
}

/** A table `"t x"` with up to six columns, each constraint either at its column or at the end. */
export const writtenTable: fc.Arbitrary<Written> = fc
  .shuffledSubarray([...spellings], { minLength: 1, maxLength: 6 })
  .chain(chosen => fc.tuple(fc.tuple(...chosen.map(columnPlan)), fc.constantFrom(',', ' ', ' /* , */ ', '\n,--)\n')))
  .map(([plans, between]) => {
    const columns = plans.map(({ head, own }) => [head, ...own.map(({ inColumn }) => inColumn)].join(' '))
    const moved = plans.flatMap(plan => plan.moved)
    const inOrder = [...plans.flatMap(plan => plan.own), ...moved]
    const lists = plans.map(plan => plan.own)
    // The name of the last column's last constraint is still there for the first constraint of the table.
    const last = lists.pop() ?? []
    const [first, ...rest] = between.replace('/* , */', '').includes(',') ? moved.map(piece => [piece]) : [moved]
    lists.push([...last, ...(first ?? [])], ...rest)
    const constraints = moved.map(({ inTable }) => inTable).join(between)
    return {
      sql: `CREATE TABLE "t x" (${columns.join(' , ')}${constraints === '' ? '' : `, ${constraints}`})`,
      described: {
        columns: plans.map(({ column }) => column),
        checks: lists.flatMap(namedChecks),
        foreignKeys: inOrder.flatMap(piece => piece.foreignKey ?? []),
        keys: inOrder.flatMap(piece => piece.key ?? []),
      },
    }
  })
