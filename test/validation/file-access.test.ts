import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileAccess } from '../../src/validation/file-access.ts'
import { freshFolder } from '../support/folder.ts'

async function files(...suffixes: string[]): Promise<string> {
  const folder = join(await freshFolder(), 'volume')
  mkdirSync(folder, { mode: 0o750 })
  const database = join(folder, 'app.db')
  for (const suffix of ['', ...suffixes]) {
    writeFileSync(database + suffix, '')
    chmodSync(database + suffix, 0o640)
  }
  return database
}
const found = async (database: string) =>
  (await fileAccess(database)).map(
    ({ message, part, severity }) => `${part} ${severity}: ${message.replaceAll(database, 'DB')}`,
  )

test('files for their owner and group are fine', async () => {
  expect(await found(await files('-wal', '-shm'))).toEqual([])
  expect(await found('/nowhere/app.db')).toEqual([])
})

test('what every user may read or write is said, of the log as well', async () => {
  const database = await files('-wal', '-shm')
  chmodSync(database, 0o644)
  chmodSync(`${database}-wal`, 0o666)
  expect(await found(database)).toEqual([
    'security warn: DB can be read by every user (mode 644): chmod o-r',
    'security fail: DB-wal can be written by every user (mode 666): chmod o-w',
  ])
})

test('a log that belongs to somebody else would keep the application out', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a file away')
  const database = await files('-wal')
  chownSync(database, 1000, 1000)
  expect(await found(database)).toEqual([
    expect.stringMatching(/^security fail: DB-wal belongs to 0:0 and the database to 1000:1000, .*chown 1000:1000$/),
  ])
})

test('a folder in which every user may put another file, unless it is like /tmp', async () => {
  const database = await files()
  const folder = join(database, '..')
  chmodSync(folder, 0o777)
  expect(await found(database)).toEqual([
    expect.stringMatching(/^security fail: .*volume can be written by every user \(mode 777\)/),
  ])
  chmodSync(folder, 0o1777)
  expect(await found(database)).toEqual([])
})
