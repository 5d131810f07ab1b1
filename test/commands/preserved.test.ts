/** What a migration leaves as it was: the settings in the header of the file, and to whom it belongs. */
import { chmodSync, chownSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { expectOk } from '../support/cli.ts'
import { pythonSql, sqlite3 } from '../support/peers.ts'
import { newPlace } from '../support/workplace.ts'

const kept = ['journal_mode', 'page_size', 'auto_vacuum', 'application_id', 'user_version', 'encoding']
const nobody = 65534

test.each(['delete', 'wal'] as const)('a migration keeps header, owner and mode, in %s mode', async mode => {
  const place = newPlace()
  pythonSql(
    place.database,
    `PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16le'; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = ${mode};
     CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO people VALUES (1, 'Ada');
     PRAGMA application_id = 77; PRAGMA user_version = 42;`,
  )
  const root = process.getuid?.() === 0
  if (root) for (const path of [place.volume, place.database]) chownSync(path, nobody, nobody)
  chmodSync(place.database, 0o640)
  const settings = () => kept.map(name => `${name} ${sqlite3(place.database, `PRAGMA ${name};`).trim()}`)
  const before = settings()
  expect(before).toEqual([
    `journal_mode ${mode}`,
    'page_size 1024',
    'auto_vacuum 2',
    'application_id 77',
    'user_version 42',
    'encoding UTF-16le',
  ])
  place.migration('v001_people', '-- migrate:up\nCREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);')
  // What SQLite makes beside the file has to be the application's as well, as long as it is there.
  place.migration(
    'v002_look.ts',
    `import { existsSync, statSync } from 'node:fs'
     export const description = 'looks at what is beside the database'
     export function up(db) {
       db.exec('CREATE TABLE seen (name TEXT, owner TEXT)')
       db.exec("UPDATE people SET name = 'Grace'")
       for (const suffix of ['-wal', '-shm', '-journal']) {
         const path = ${JSON.stringify(place.database)} + suffix
         if (!existsSync(path)) continue
         const { uid, gid, mode } = statSync(path)
         db.prepare('INSERT INTO seen VALUES (?, ?)').run(suffix, [uid, gid, (mode & 0o777).toString(8)].join(' '))
       }
     }
     export function down(db) { db.exec('DROP TABLE seen') }`,
  )
  expectOk(await place.run(['run', '--adopt']))
  expect(settings()).toEqual(before)
  const { gid, mode: bits, uid } = statSync(place.database)
  expect([uid, gid, (bits & 0o777).toString(8)]).toEqual([root ? nobody : uid, root ? nobody : gid, '640'])
  const seen = place.query('SELECT DISTINCT owner FROM seen')
  expect(seen).toEqual([{ owner: `${uid} ${gid} 640` }])
  expectOk(await place.run(['rollback', '--steps', '1', '--allow-row-loss']))
  expect(settings()).toEqual(before)
  expect(statSync(place.database).uid).toBe(uid)
})
