/** The reference migrations up, down and up again through the job itself, with rows in every table. */
import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deploy, type RollbackOptions, rollBack } from '../../src/index.ts'
import { insertRowsOf, type Level, levels, workOrderId } from '../fixtures/fossawork/rows.ts'
import { deployOptions } from '../support/jobs.ts'
import { fossawork, Workplace } from '../support/workplace.ts'
import { versions } from './migration-files.ts'
import { expectInStep, find } from './search-checks.ts'
import { contentsOf, schemaOf, tablesIn } from './structure.ts'

let place: Workplace
beforeAll(() => {
  place = new Workplace()
})
afterAll(() => rmSync(place.folder, { recursive: true, force: true }))

const versionOf = (level: Level) => versions[levels.indexOf(level)]!
const up = (to: Level) => deploy(deployOptions(place, { migrations: fossawork, to: versionOf(to) }))
const down = (target: RollbackOptions['target']) =>
  rollBack({ ...deployOptions(place, { migrations: fossawork }), target, allowRowLoss: true })

/** As the application would, while no job runs. */
function inDatabase<T>(work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(place.database, { enableForeignKeyConstraints: true })
  try {
    return work(db)
  } finally {
    db.close()
  }
}

interface State {
  readonly schema: unknown[]
  readonly contents: Record<string, unknown[]>
}

/** Everything but Lockkeeper's own record and what it writes into the application's audit trail. */
function stateOf(db: DatabaseSync): State {
  const isOwn = (name: unknown) => /^(sqlite_autoindex_)?schema_migration/.test(String(name))
  const all = Object.entries(contentsOf(db)).filter(([table]) => !isOwn(table))
  const rowsOf = (table: string, rows: unknown[]) => {
    const ours = (row: unknown) =>
      table === 'audit_trail'
        ? /^lockkeeper-/.test(String((row as Record<string, unknown>)['audit_id']))
        : table === 'sqlite_sequence' && /^(schema_migration|audit_trail)/.test(String((row as { name: string }).name))
    return rows.filter(row => !ours(row))
  }
  return {
    schema: schemaOf(db).filter(object => !isOwn((object as { tbl_name: string }).tbl_name)),
    contents: Object.fromEntries(
      all
        .map(([table, rows]) => [table, rowsOf(table, rows)])
        .filter(([table, rows]) => table !== 'sqlite_sequence' || rows?.length !== 0),
    ),
  }
}

/** Right away, and once VACUUM has given the rows of the orders other places. */
function expectSearch(db: DatabaseSync, level: Level): void {
  for (const sql of ['SELECT 1', 'VACUUM']) {
    db.exec(sql)
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([])
    if (level < 'v003') continue
    expectInStep(db)
    for (let order = 0; order < 12; order++) expect(find(db, `"job ${order + 1}"`)).toEqual([workOrderId(order)])
  }
}

function emptyTables(db: DatabaseSync): string[] {
  return tablesIn(db).filter(table => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined)
}

/** One deploy a level, on the rows of all levels below it. */
async function climb(): Promise<Map<Level, State>> {
  const states = new Map<Level, State>()
  for (const level of levels) {
    expect(await up(level)).toMatchObject({ outcome: 'changed', level: versionOf(level), warnings: [] })
    inDatabase(db => {
      expectSearch(db, level)
      insertRowsOf(db, level)
      expect(emptyTables(db)).toEqual([])
      expectSearch(db, level)
      states.set(level, stateOf(db))
    })
  }
  return states
}

test('one by one up, down and up again: each level has its schema, its rows, and a search that finds every order', async () => {
  const first = await climb()
  for (const level of levels.toReversed().slice(0, -1)) {
    const below = levels[levels.indexOf(level) - 1]!
    expect(await down({ steps: 1 })).toMatchObject({ level: versionOf(below), warnings: [] })
    inDatabase(db => {
      expect(stateOf(db)).toEqual(first.get(below))
      expectSearch(db, below)
    })
  }
  expect(await down({ steps: 1 })).toMatchObject({ level: null })
  inDatabase(db => expect(stateOf(db)).toMatchObject({ schema: [], contents: {} }))
  expect(await climb()).toEqual(first)
})

test('all at once down and up again', async () => {
  const schema = inDatabase(db => stateOf(db).schema)
  expect(await down({ steps: levels.length })).toMatchObject({ level: null })
  expect(await up('v006')).toMatchObject({ outcome: 'changed', level: versionOf('v006'), warnings: [] })
  inDatabase(db => {
    expect(stateOf(db).schema).toEqual(schema)
    for (const level of levels) insertRowsOf(db, level)
    expect(emptyTables(db)).toEqual([])
    expectSearch(db, 'v006')
  })
  expect(await up('v006')).toMatchObject({ outcome: 'unchanged' })
})
