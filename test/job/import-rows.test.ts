/** Rows that were given as values: put in once, whole, checked; what is there stays. */
import { expect, test } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import { importRows } from '../../src/job/import-rows.ts'
import type { NewRow } from '../../src/job/rows/model.ts'
import { expectOk } from '../support/cli.ts'
import { jobOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { applicationOf, newPlace, type Workplace } from '../support/workplace.ts'

const schema = `
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age NUMERIC);
CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT, owner INTEGER REFERENCES people (id));
CREATE TABLE toys (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED);`

async function place(sql = ''): Promise<Workplace> {
  const made = newPlace()
  made.migration('v001_people', `-- migrate:up\n${schema}`)
  expectOk(await made.run(['run']))
  if (sql !== '') pythonSql(made.database, sql)
  return made
}

const person = (id: number, name: string, age: number | string | null = null): NewRow => ({
  table: 'people',
  key: { name },
  values: { id, age },
  source: `person ${name}`,
})
const pet = (name: string, owner: NewRow['values'][string], table = 'pets'): NewRow => ({
  table,
  key: table === 'pets' ? { name } : { id: 1 },
  values: { owner },
  source: name,
})

async function refusal(work: Promise<unknown>): Promise<LockkeeperError> {
  const error = await work.catch((thrown: unknown) => thrown)
  if (error instanceof LockkeeperError) return error
  throw error
}

test('a row finds the one that it refers to, be it there or put in with it', async () => {
  const made = await place("INSERT INTO people VALUES (7, 'Ada', 36)")
  const ownerCalled = (name: string, otherwise: number) => ({
    table: 'people',
    where: { name },
    column: 'id',
    otherwise,
  })
  const rows = [
    person(1, 'Ada'),
    person(2, 'Grace'),
    pet('cat', ownerCalled('Ada', 1)),
    pet('dog', ownerCalled('Grace', 2)),
  ]
  const { outcome, plan } = await importRows(jobOptions(made), rows)
  expect(outcome).toBe('changed')
  expect(plan.tables).toEqual({ people: { new: 1, there: 1 }, pets: { new: 2, there: 0 } })
  expect(made.query('SELECT name, owner FROM pets ORDER BY name')).toEqual([
    { name: 'cat', owner: 7 },
    { name: 'dog', owner: 2 },
  ])
  expect((await importRows(jobOptions(made), rows)).outcome).toBe('unchanged')
})

test.each([
  ['at once', pet('cat', 99), /cat could not be put into pets: FOREIGN KEY/],
  ['at the commit', pet('ball', 99, 'toys'), /refer by owner to a row of people that is not there/],
  ['as SQLite makes a number of a text', person(1, 'Ada', '36'), /person Ada is in people with another value .*: age/],
  [
    'as a name is taken',
    { ...person(7, 'Ada'), key: { id: 8 }, values: { name: 'Eve' } },
    /UNIQUE constraint failed: people\.name/,
  ],
])('what cannot be is refused, and nothing of it stays: %s', async (_, row, says) => {
  const made = await place("INSERT INTO people VALUES (7, 'Eve', 1)")
  const before = applicationOf(made.database)
  const rows = row.table === 'people' ? [row] : [person(1, 'Ada'), row]
  expect(await refusal(importRows(jobOptions(made), rows))).toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(says),
    hint: expect.stringContaining('Everything was rolled back'),
  })
  expect(applicationOf(made.database)).toEqual(before)
})

test('what was wrong before is no reason to refuse', async () => {
  const made = await place("INSERT INTO pets VALUES (1, 'stray', 99)")
  expect((await importRows(jobOptions(made), [person(1, 'Ada'), pet('cat', 1)])).outcome).toBe('changed')
})

test('two at the same time: one puts the rows in, the other finds them', async () => {
  const made = await place()
  const rows = Array.from({ length: 200 }, (_, at) => person(at + 1, `person ${at}`))
  const both = await Promise.all([importRows(jobOptions(made), rows), importRows(jobOptions(made), rows)])
  expect(both.map(({ outcome }) => outcome).sort()).toEqual(['changed', 'unchanged'])
  expect(made.query('SELECT count(*) AS n FROM people')).toEqual([{ n: 200 }])
  expect(made.backups()).toHaveLength(1)
})

test('late values are made for new rows only, once, and before the lock', async () => {
  const made = await place("INSERT INTO people VALUES (7, 'Ada', 36)")
  const asked: string[] = []
  const late = (name: string): NewRow => ({
    ...person(name.length, name),
    values: {},
    late: {
      age: {
        make: async () => {
          asked.push(name)
          // Anybody can write still.
          pythonSql(made.database, "UPDATE people SET age = 37 WHERE name = 'Ada'")
          return 5
        },
      },
    },
  })
  await importRows(jobOptions(made), [late('Ada'), late('Grace')])
  expect(asked).toEqual(['Grace'])
  expect(made.query('SELECT name, age FROM people ORDER BY name')).toEqual([
    { name: 'Ada', age: 37 },
    { name: 'Grace', age: 5 },
  ])
})

test('stopped while they are made, it ends with the reason, and nothing was touched', async () => {
  const made = await place()
  const before = applicationOf(made.database)
  const controller = new AbortController()
  const reason = new LockkeeperError('terminated', 'stopped')
  const row = (name: string): NewRow => ({
    ...person(name.length, name),
    values: {},
    late: {
      age: {
        make: async () => {
          controller.abort(reason)
          return 5
        },
      },
    },
  })
  const job = importRows({ ...jobOptions(made), signal: controller.signal }, [row('Ada'), row('Grace')])
  await expect(job).rejects.toBe(reason)
  expect(applicationOf(made.database)).toEqual(before)
  expect(made.backups()).toEqual([])
})

test('a migration that was stopped in the middle ends first', async () => {
  const made = await place(`UPDATE schema_migrations SET metadata_json = '{"progress": {"direction": "up"}}'`)
  expect(await refusal(importRows(jobOptions(made), [person(1, 'Ada')]))).toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('v001_people was begun'),
    hint: expect.stringContaining('lockkeeper run'),
  })
})
