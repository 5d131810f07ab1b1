import { expect, it } from 'vitest'
import { readBookkeeping } from '../../src/migrations/bookkeeping.ts'
import { recordTable } from '../../src/migrations/record-table.ts'
import { memory } from './database.ts'
import { migration } from './migration.ts'

const nameFor = async (up: string, database = '') =>
  recordTable(await readBookkeeping(await memory(database)), [migration('v1'), migration('v2', { up })])

it.each([
  ['schema_migrations', "SELECT 'schema_migrations'; -- CREATE TABLE schema_migrations(version);"],
  ['schema_migrations', 'CREATE TABLE schema_migrations_2(version);'],
  ['lockkeeper_migrations', 'CREATE TABLE IF NOT EXISTS "Schema_Migrations"(version);'],
  ['lockkeeper_migrations', 'CREATE TABLE t(version); ALTER TABLE t RENAME TO schema_migrations;'],
])('the record is called %s where a migration says %s', async (name, up) => {
  expect(await nameFor(up)).toBe(name)
})

it('the record keeps the name that it has', async () => {
  const foreign = 'CREATE TABLE schema_migrations(version);'
  expect(await nameFor('', foreign)).toBe('lockkeeper_migrations')
})
