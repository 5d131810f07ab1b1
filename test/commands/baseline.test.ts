/** `baseline`: what is there is recorded, nothing is run, and what cannot be is refused. */
import { expect, test } from 'vitest'
import { expectOk, expectRefused, logOf } from '../support/cli.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { applicationOf, newPlace, traceOf, type Workplace } from '../support/workplace.ts'

const people = 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL)'
const pets = 'CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES people (id))'

/** Five migrations: two tables with one that changes rows only between them, and a table that comes and goes. */
function place(...statements: string[]): Workplace {
  const made = newPlace()
  made.migration('v001_people', `-- migrate:up\n${people};\n-- migrate:down\nDROP TABLE people;`)
  made.migration('v002_admin', "-- migrate:up\nINSERT INTO people (name) VALUES ('admin');\n-- migrate:down\n")
  made.migration('v003_pets', `-- migrate:up\n${pets};\n-- migrate:down\nDROP TABLE pets;`)
  made.migration('v004_toys', '-- migrate:up\nCREATE TABLE toys (id);\n-- migrate:down\nDROP TABLE toys;')
  made.migration('v005_no_toys', '-- migrate:up\nDROP TABLE toys;\n-- migrate:down\nCREATE TABLE toys (id);')
  if (statements.length > 0) pythonSql(made.database, statements.join(';\n'))
  return made
}

const statusOf = async (made: Workplace) => JSON.parse((await made.run(['status', '--json'])).stdout)

test('records what the schema has, runs nothing, and the next run goes on from there', async () => {
  const made = place(people, pets, 'CREATE TABLE toys (id)', "INSERT INTO people VALUES (1, 'Ada')")
  const before = applicationOf(made.database)
  const ran = await made.run(['baseline', '--json'])
  expectOk(ran)
  expect(JSON.parse(ran.stdout)).toMatchObject({
    outcome: 'changed',
    adopted: ['v001_people', 'v002_admin', 'v003_pets', 'v004_toys'],
    level: 'v004_toys',
    versions: [],
  })
  expect(applicationOf(made.database)).toEqual(before)
  expect(made.backups()).toHaveLength(1)
  expect(await statusOf(made)).toMatchObject({ level: 'v004_toys', pending: ['v005_no_toys'], problem: null })
  const [attempt] = JSON.parse((await made.run(['history', '--json'])).stdout).attempts
  expect(attempt).toMatchObject({ outcome: 'ok', to_level: 'v004_toys', backup_id: made.backups()[0] })
  expect((await made.run(['run'])).stdout).toContain('1 migration applied')
  expect(made.query('SELECT name FROM people')).toEqual([{ name: 'Ada' }])
})

test('what only changes rows is taken as applied, with a warning, or as pending where it is said', async () => {
  const first = place(people)
  const ran = await first.run(['baseline'])
  expect(ran.stdout).toContain('Taken over at v002_admin.\n')
  expect(logOf(ran).filter(({ level }) => level === 'warn')).toMatchObject([{ msg: /v002_admin changes rows only/ }])

  const second = place(people)
  const told = await second.run(['baseline', '--version', 'v001_people'])
  expect(told.stdout).toContain('Taken over at v001_people.\n')
  expect(logOf(told).filter(({ level }) => level === 'warn')).toEqual([])
  expectOk(await second.run(['run']))
  expect(second.query('SELECT name FROM people')).toEqual([{ name: 'admin' }])
})

test('of two levels with the same schema, either may be named', async () => {
  const made = place(people, pets)
  expect((await made.run(['baseline', '--version', 'v003_pets'])).stdout).toContain('Taken over at v003_pets.')
  expect(await statusOf(made)).toMatchObject({ pending: ['v004_toys', 'v005_no_toys'] })
  const other = place(people, pets)
  expect((await other.run(['baseline'])).stdout).toContain('Taken over at v005_no_toys.')
})

test.each([
  ['it has less', 'v003_pets', [people]],
  ['it has more', 'v002_admin', [people, pets]],
  ['it has something else', 'v001_people', [people, 'CREATE TABLE toys (id)']],
])('a version whose schema it has not is refused, and nothing is touched: %s', async (_, version, statements) => {
  const made = place(...statements)
  const before = traceOf(made.volume)
  expectRefused(await made.run(['baseline', '--version', version]), 65, /v00\d/, 'Nothing was touched')
  expect(traceOf(made.volume)).toEqual(before)
  expect(traceOf(made.repository)).toEqual({})
})

test('a schema that equals no level is refused, with what is different', async () => {
  expectRefused(await place(people.replace(' NOT NULL', '')).run(['baseline']), 65, 'equals no level', 'name')
})

test('nothing to take over: no database, an empty one, no such version', async () => {
  expectRefused(await place().run(['baseline']), 66, 'lockkeeper run')
  expectRefused(await place('PRAGMA user_version = 1').run(['baseline']), 66, 'lockkeeper run')
  expectRefused(await place(people).run(['baseline', '--version', 'v009_nothing']), 66, 'v005_no_toys')
})

test('twice is once; elsewhere than where it is, is refused', async () => {
  const made = place(people, pets)
  expectOk(await made.run(['baseline', '--version', 'v003_pets']))
  const before = traceOf(made.volume)
  expect((await made.run(['baseline'])).stdout).toContain('Nothing to do: the database is at v003_pets.')
  expectOk(await made.run(['baseline', '--version', 'v003_pets']))
  expectRefused(await made.run(['baseline', '--version', 'v001_people']), 65, 'v003_pets', 'lockkeeper rollback')
  expect(traceOf(made.volume)).toEqual(before)
})

test('needs a way back, or the word that none is wanted; and waits for who has the database', async () => {
  const made = place(people)
  expectRefused(await made.run(['baseline'], { LOCKKEEPER_REPOSITORY: undefined }), 78, 'LOCKKEEPER_REPOSITORY')
  const writer = await hold(made.database, 'BEGIN IMMEDIATE')
  expectRefused(await made.run(['baseline', '--lock-timeout', '200ms']), 75, 'in use')
  await writer.release()
  expectOk(await made.run(['baseline', '--no-backup']))
})

test('a database whose backups have a history is not taken over as one that never had any', async () => {
  const made = place()
  expectOk(await made.run(['run']))
  expectOk(await made.run(['backup']))
  pythonSql(made.database, 'DROP TABLE schema_migrations; DROP TABLE schema_migration_events')
  expectRefused(await made.run(['baseline']), 66, 'without its history')
})
