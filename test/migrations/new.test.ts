import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { loadMigrations } from '../../src/migrations/load.ts'
import { newMigration } from '../../src/migrations/new.ts'
import { folderOf, sql } from './folder.ts'

const now = new Date('2026-11-28T03:04:05Z')
const beside = (...names: string[]) => {
  const folder = folderOf(Object.fromEntries(names.map(name => [name, sql('SELECT 1;')])))
  return basename(newMigration(folder, 'Add phone numbers', now).file)
}

test.each([
  [['v006_add.sql'], 'v007_add_phone_numbers.sql'],
  [['v9_a.sql', 'v10_b.sql'], 'v11_add_phone_numbers.sql'],
  [['0099-a.sql'], '0100-add_phone_numbers.sql'],
  [['20240229120000_a.sql'], '20261128030405_add_phone_numbers.sql'],
  [['202402291200_a.sql'], '202611280304_add_phone_numbers.sql'],
  [['001_a.sql', '002_b.ts'], '003_add_phone_numbers.ts'],
  [['V1.sql'], 'V2_add_phone_numbers.sql'],
  [['0005_a.up.sql', '0005_a.down.sql'], '0006_add_phone_numbers.sql'],
  [['20240229120000_a/migration.sql', 'migration_lock.toml'], '20261128030405_add_phone_numbers.sql'],
  [['2024-02-29-120000_a/up.sql'], '20261128030405_add_phone_numbers.sql'],
  [[], 'v001_add_phone_numbers.sql'],
])('beside %j it is %s', (names, expected) => {
  expect(beside(...names)).toBe(expected)
})

test.each(['v001_a.sql', 'v001_a.js'])('what is written beside %s is a migration with a down', async name => {
  const text = name.endsWith('.sql') ? sql('SELECT 1;', 'SELECT 1;') : 'export function up() {}'
  const folder = folderOf({ [name]: text })
  newMigration(folder, 'Größe, "of" all\nboxes', now)
  const [, made] = await loadMigrations(folder)
  expect(made).toMatchObject({ description: 'Größe, "of" all boxes', version: 'v002_gr_e_of_all_boxes' })
  expect(made?.down).toBeDefined()
})

test('a folder that is not there is made', () => {
  const { file } = newMigration(join(folderOf({}), 'a', 'b'), 'x', now)
  expect(readFileSync(file, 'utf8')).toContain('-- migrate:up')
})
