import { expect, test } from 'vitest'
import { loadChecks } from '../../src/migrations/checks.ts'
import { folderOf } from './folder.ts'

test('the checks of a folder, by name, with what they say of themselves', () => {
  const folder = folderOf({
    'checks/b.sql': '/*\n * every order has a customer\n */\nSELECT 1 WHERE 0;\n',
    'checks/a.sql': 'SELECT 2 WHERE 0 -- at the end',
    'checks/.hidden.sql': 'nonsense',
    'checks/README.md': 'none',
    'v1.sql': '-- migrate:up\n',
  })
  expect(loadChecks(folder)).toEqual([
    { name: 'a', file: `${folder}/checks/a.sql`, description: '', sql: 'SELECT 2 WHERE 0' },
    { name: 'b', file: `${folder}/checks/b.sql`, description: 'every order has a customer', sql: 'SELECT 1 WHERE 0' },
  ])
})

test('there need not be any', () => {
  expect(loadChecks(folderOf({ 'v1.sql': '' }))).toEqual([])
})

test('everything that is wrong with any of them is said at once', () => {
  const folder = folderOf({
    'checks/a.sql': '-- nothing',
    'checks/b.sql': 'SELECT 1;\nSELECT 2;',
    'checks/c.sql': new Uint8Array([0xff, 0xfe]),
  })
  expect(() => loadChecks(folder)).toThrow(
    /a\.sql: it has no statement\n.*b\.sql: line 2 begins a second statement.*\n.*c\.sql: it is UTF-16/,
  )
})
