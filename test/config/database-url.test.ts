import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { databasePath } from '../../src/config/database-url.ts'

const here = '/srv/here'

const understood: readonly [string, string][] = [
  ['app.db', '/srv/here/app.db'],
  ['./data/app.db', '/srv/here/data/app.db'],
  ['../app.db', '/srv/app.db'],
  ['/data/app.db', '/data/app.db'],
  ['/data/my app? 100% #1.db', '/data/my app? 100% #1.db'],
  ['C:/x.db', '/srv/here/C:/x.db'],
  // https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#file-databases
  ['sqlite:////data/app.db', '/data/app.db'],
  ['sqlite:///app.db', '/srv/here/app.db'],
  ['sqlite:///./fossawork_v2.db', '/srv/here/fossawork_v2.db'],
  ['sqlite:///data/app.db', '/srv/here/data/app.db'],
  ['sqlite+aiosqlite:////data/app.db', '/data/app.db'],
  ['SQLite+pysqlite:///app.db', '/srv/here/app.db'],
  ['sqlite:////data/app.db?timeout=5&check_same_thread=false', '/data/app.db'],
  ['sqlite:app.db', '/srv/here/app.db'],
  ['sqlite:/data/app.db', '/data/app.db'],
  // https://www.sqlite.org/uri.html
  ['file:///data/app.db', '/data/app.db'],
  ['file:/data/app.db', '/data/app.db'],
  ['file:app.db', '/srv/here/app.db'],
  ['file:./app.db?mode=rw', '/srv/here/app.db'],
  ['file:///data/app.db?mode=ro&cache=shared#x', '/data/app.db'],
  ['file:///data/my%20app%3F.db', '/data/my app?.db'],
  ['file:my%20app.db', '/srv/here/my app.db'],
  ['file://localhost/data/app.db', '/data/app.db'],
  ['FILE:///data/app.db', '/data/app.db'],
]

test.each(understood)('%s is %s', (value, path) => {
  expect(databasePath(value, here)).toBe(path)
})

const refused: readonly [string, RegExp][] = [
  ['', /empty/],
  [':memory:', /in memory/],
  ['sqlite://', /in memory/],
  ['sqlite:///', /in memory/],
  ['sqlite:///:memory:', /in memory/],
  ['sqlite://data/app.db', /a third slash/],
  ['postgres://me:hidden@host/db', /^postgres: is not SQLite/],
  ['mysql+pymysql://host/db', /is not SQLite/],
  ['https://host/app.db', /is not SQLite/],
  ['file://host/data/app.db', /does not name a file/],
  ['file:///data/%2Fapp.db', /does not name a file/],
  ['file:%zz', /does not name a file/],
]

test.each(refused)('%j is refused with a sentence, what to write instead, and without a password', (value, why) => {
  const read = () => databasePath(value, here)
  expect(read).toThrow(why)
  expect(read).toThrow(/write a path, file:\/\/\/absolute\/path\.db or sqlite:\/\/\/\/absolute\/path\.db$/)
  expect(read).not.toThrow(/hidden/)
})

describe('three slashes that could mean two files', () => {
  /** A folder to work in, in which the path of an absolute file, read as a relative one, leads to `relative`. */
  function folderWith(...files: ('absolute' | 'relative')[]) {
    const folder = mkdtempSync(join(tmpdir(), 'database-url-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const absolute = join(folder, 'app.db')
    const workingDirectory = join(folder, 'work')
    const relative = join(workingDirectory, absolute)
    mkdirSync(join(workingDirectory, folder), { recursive: true })
    for (const file of files) writeFileSync({ absolute, relative }[file], '')
    return { absolute, relative, read: () => databasePath(`sqlite://${absolute}`, workingDirectory) }
  }

  test('are refused where both are there, and both are named', () => {
    const { absolute, relative, read } = folderWith('absolute', 'relative')
    expect(read).toThrow(absolute)
    expect(read).toThrow(relative)
    expect(read).toThrow(`sqlite:///${absolute}`)
  })

  test('are relative where only that file is there, or neither', () => {
    for (const files of [['relative'], []] as const) {
      const { relative, read } = folderWith(...files)
      expect(read()).toBe(relative)
    }
  })

  test('are relative also where only the absolute one is there, as SQLAlchemy has it', () => {
    const { relative, read } = folderWith('absolute')
    expect(read()).toBe(relative)
  })
})
