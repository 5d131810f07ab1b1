/** `fossawork import-v1`: every record of V1 is in the database afterwards, once, and nothing else has changed. */
import { readFileSync } from 'node:fs'
import { compareSync } from 'bcryptjs'
import { describe, expect, test } from 'vitest'
import { decrypt, deriveKey } from '../../src/fossawork/encryption.ts'
import { expectOk, expectRefused, logOf, messagesOf } from '../support/cli.ts'
import { hold, python, pythonSql } from '../support/peers.ts'
import { encryptionPassword, ids, pythonUsing, readByPython, type Sample, v1Place } from '../support/v1.ts'
import { applicationOf, newPlace, traceOf } from '../support/workplace.ts'

const samples: Sample[] = ['v1-app', 'v1-flat']

describe.each(samples)('%s', sample => {
  test('every record is found by another program, as an independent reading of the folder expects it', async () => {
    const { data, importV1, place } = await v1Place(sample)
    const before = applicationOf(place.database)
    const ran = await importV1('--json')
    expectOk(ran)
    const { actual, expected } = readByPython(data, place.database)
    expect(actual).toEqual(expected)
    const counts = Object.entries(expected).map(([table, rows]) => [table, { new: rows.length, there: 0 }])
    expect(JSON.parse(ran.stdout)).toMatchObject({
      outcome: 'changed',
      tables: Object.fromEntries(counts),
      warnings: [],
      backup: place.backups()[0],
    })
    const { rows, schema } = applicationOf(place.database)
    expect(schema).toEqual(before.schema)
    const others = Object.keys(rows).filter(
      name => !(name in expected) && !/^(work_orders_fts|audit_trail|sqlite_sequence)/.test(name),
    )
    for (const table of others) expect(rows[table], table).toEqual(before.rows[table])
  })

  test('passwords are bcrypt hashes, credentials are encrypted, and neither is anywhere in plain text', async () => {
    const { importV1, place } = await v1Place(sample)
    const ran = await importV1()
    expectOk(ran)
    const hashes = place.query('SELECT id, password_hash AS hash FROM users')
    expect(hashes).toHaveLength(3)
    for (const { hash, id } of hashes) {
      expect(hash).toMatch(/^\$2b\$12\$/)
      expect(compareSync(`plain-pass-${ids.indexOf(id as (typeof ids)[0])}`, String(hash))).toBe(true)
      expect(compareSync('plain-pass-9', String(hash))).toBe(false)
    }
    const key = deriveKey(encryptionPassword)
    const stored = place.query(
      'SELECT user_id AS id, encrypted_username AS name, encrypted_password AS secret FROM user_credentials',
    )
    expect(stored).toHaveLength(3)
    for (const { id, name, secret } of stored) {
      expect(decrypt(key, String(name))).toMatch(/\.Tech\d@Example\.com$/)
      expect(decrypt(key, String(secret))).toBe(`fossa-secret-${ids.indexOf(id as (typeof ids)[0])}`)
    }
    for (const text of [ran.output, readFileSync(place.database, 'latin1')])
      expect(text).not.toMatch(/plain-pass-|fossa-secret-/)
  })

  test('twice is once: nothing new, no backup, not a byte changed', async () => {
    const { importV1, place } = await v1Place(sample)
    expectOk(await importV1())
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const ran = await importV1()
    expectOk(ran)
    expect(ran.stdout).toMatch(/^Nothing to import: \d+ rows are there already\.$/m)
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('a dry run says what an import does, and touches nothing', async () => {
    const { importV1, place } = await v1Place(sample)
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const dry = await importV1('--dry-run', '--json')
    expectOk(dry)
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
    const real = await importV1('--json')
    const [planned, changed] = [JSON.parse(dry.stdout), JSON.parse(real.stdout)]
    expect(planned).toMatchObject({ outcome: 'planned', backup: null })
    expect(planned.tables).toEqual(changed.tables)
  })
})

test('what V2 has renumbered since is known again, and nothing comes twice', async () => {
  const { importV1, place } = await v1Place()
  expectOk(await importV1())
  pythonSql(
    place.database,
    `UPDATE dispensers SET dispenser_number = '99' WHERE id IN (SELECT id FROM dispensers LIMIT 3);
     UPDATE work_orders SET external_id = 'moved' WHERE id IN (SELECT id FROM work_orders ORDER BY id LIMIT 1);`,
  )
  const before = applicationOf(place.database)
  const ran = await importV1('--json')
  expectOk(ran)
  expect(JSON.parse(ran.stdout).outcome).toBe('unchanged')
  expect(applicationOf(place.database)).toEqual(before)
})

test('an activity that differs only in its details is another one', async () => {
  const { importV1, json, place, write } = await v1Place()
  expectOk(await importV1())
  const file = `users/${ids[0]}/activity_log.json`
  const log = json(file)
  const list = Array.isArray(log) ? log : log.activities
  const count = () => Number(place.query('SELECT count(*) AS n FROM user_activities')[0]?.['n'])
  const before = count()
  write(file, [{ ...list[0], details: { another: 1 } }, ...list])
  expectOk(await importV1())
  expect(count()).toBe(before + 1)
  expect(place.query("SELECT count(*) AS n FROM user_activities WHERE details LIKE '%another%'")).toEqual([{ n: 1 }])
})

test('what is stored is read by Python as V2 reads it', async () => {
  const { importV1, place } = await v1Place()
  place.env['ENCRYPTION_SALT'] = 'a salt of its own'
  expectOk(await importV1())
  const script = `
import base64, hashlib, sqlite3, sys
from cryptography.fernet import Fernet
key = hashlib.pbkdf2_hmac('sha256', sys.argv[2].encode(), b'a salt of its ow', 100000, 32)
fernet = Fernet(base64.urlsafe_b64encode(key))
for row in sqlite3.connect(sys.argv[1]).execute('SELECT encrypted_username, encrypted_password FROM user_credentials ORDER BY 1'):
    print(*(fernet.decrypt(base64.b64decode(cell)).decode() for cell in row))`
  const read = await pythonUsing('cryptography', script, [place.database, encryptionPassword])
  expect(read.split('\n').sort()).toEqual([
    'Ada.Tech0@Example.com fossa-secret-0',
    'Grace.Tech1@Example.com fossa-secret-1',
    'Linus.Tech2@Example.com fossa-secret-2',
  ])
})

test('a password hash is verified by Python’s bcrypt', async () => {
  const { importV1, place } = await v1Place()
  expectOk(await importV1())
  const script = `
import bcrypt, sqlite3, sys
for mail, stored in sqlite3.connect(sys.argv[1]).execute('SELECT email, password_hash FROM users ORDER BY email'):
    print(mail, [n for n in range(3) if bcrypt.checkpw(f'plain-pass-{n}'.encode(), stored.encode())])`
  expect(await pythonUsing('bcrypt', script, [place.database])).toBe(
    'Ada.Tech0@Example.com [0]\nGrace.Tech1@Example.com [1]\nLinus.Tech2@Example.com [2]',
  )
})

test('the search of another program finds the work orders', async () => {
  const { importV1, place } = await v1Place()
  expectOk(await importV1())
  const script = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("INSERT INTO work_orders_fts (work_orders_fts) VALUES ('integrity-check')")
find = lambda words: [row[0] for row in db.execute('''SELECT external_id FROM work_orders_fts AS f
    JOIN work_orders AS w ON w.id = f.work_order_id WHERE work_orders_fts MATCH ? ORDER BY 1''', [words])]
print(len(find('cafe')), find('"5686 N Main St"'), find('Wawa AND 5662'))`
  expect(python(script, [place.database]).trim()).toBe("18 ['W-110013'] ['W-110013']")
})

test('the history and the audit trail say what was done, and the next run has nothing to do', async () => {
  const { importV1, place } = await v1Place()
  expectOk(await importV1())
  const [attempt] = JSON.parse((await place.run(['history', '--json'])).stdout).attempts
  const level = 'v006_add_monitoring_tables'
  expect(attempt).toMatchObject({
    action: 'import',
    outcome: 'ok',
    from_level: level,
    to_level: level,
    backup_id: place.backups()[0],
  })
  const trail = place.query("SELECT table_name, changes_json FROM audit_trail WHERE action = 'import' ORDER BY id")
  expect(trail).toHaveLength(16)
  expect(trail[0]).toEqual({
    table_name: 'users',
    changes_json: JSON.stringify({ rows: 3, backup: place.backups()[0] }),
  })
  expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  expectOk(await place.run(['validate']))
  // Entries of Lockkeeper's own are no reason to keep the table.
  expectOk(await place.run(['rollback', '--steps', '2']))
})

test('back to before the import: the backup is of what was there', async () => {
  const { importV1, place } = await v1Place()
  pythonSql(place.database, "INSERT INTO users (id, email) VALUES ('mine', 'mine@example.org')")
  expectOk(await importV1())
  expectOk(await place.run(['restore', '--id', place.backups()[0]!]))
  expect(place.query('SELECT id FROM users')).toEqual([{ id: 'mine' }])
})

describe('rows that are there already', () => {
  test('are left as the application has them, and only what is missing comes', async () => {
    const { data, importV1, place } = await v1Place()
    pythonSql(
      place.database,
      `INSERT INTO users (id, email, label) VALUES ('${ids[0]}', 'ada.tech0@example.com', 'Ada, as V2 has her');
       INSERT INTO work_orders (id, user_id, external_id, site_name) VALUES ('w-2', '${ids[0]}', 'W-110001', 'as V2 has it');
       INSERT INTO user_preferences (user_id, category, settings) VALUES ('${ids[0]}', 'email', '{"enabled": false}');
       INSERT INTO global_settings (setting_key, setting_value) VALUES ('theme', '{"value": "light"}')`,
    )
    const ran = await importV1('--json')
    expectOk(ran)
    const result = JSON.parse(ran.stdout)
    expect(result.tables).toMatchObject({
      users: { new: 2, there: 1 },
      work_orders: { new: 17, there: 1 },
      global_settings: { new: 3, there: 1 },
    })
    expect(result.notes).toEqual([expect.stringContaining(`user ${ids[0]}: a row of users is there already`)])
    expect(place.query(`SELECT label, password_hash FROM users WHERE id = '${ids[0]}'`)).toEqual([
      { label: 'Ada, as V2 has her', password_hash: null },
    ])
    expect(place.query("SELECT setting_value FROM global_settings WHERE setting_key = 'theme'")).toEqual([
      { setting_value: '{"value": "light"}' },
    ])
    // Its dispensers belong to the row that V2 has.
    const dispensers = place.query("SELECT dispenser_number FROM dispensers WHERE work_order_id = 'w-2'")
    const store = readByPython(data, place.database).expected['dispensers'] as unknown[][]
    expect(dispensers).toHaveLength(store.filter(([user, order]) => user === ids[0] && order === 'W-110001').length)
    expect(dispensers.length).toBeGreaterThan(0)
    expect((await importV1()).stdout).toContain('Nothing to import')
  })

  test('what the application has changed since the import stays changed', async () => {
    const { importV1, place } = await v1Place()
    expectOk(await importV1())
    pythonSql(
      place.database,
      `UPDATE users SET label = 'changed', email = lower(email); UPDATE work_orders SET status = 'done', notes = 'changed';
       UPDATE user_preferences SET settings = '{}'; UPDATE user_credentials SET is_verified = 1;
       UPDATE dispensers SET status = 'done'; UPDATE user_completed_jobs SET removal_reason = 'changed'`,
    )
    const before = applicationOf(place.database)
    expect((await importV1()).stdout).toContain('Nothing to import')
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('a mail under another id is refused', async () => {
    const { importV1, place } = await v1Place()
    pythonSql(place.database, "INSERT INTO users (id, email) VALUES ('other', 'ada.tech0@example.com')")
    expectRefused(await importV1(), 65, ids[0], 'same email', 'Nothing was touched')
    expectRefused(await importV1('--dry-run'), 65, 'same email')
  })

  test('of two equal entries of a log both come, and stay two', async () => {
    const { importV1, json, place, write } = await v1Place()
    const file = `users/${ids[0]}/activity_log.json`
    const log = json(file)
    write(file, [...log, log[0]])
    expect(JSON.parse((await importV1('--json')).stdout).tables.user_activities).toEqual({
      new: log.length + 13,
      there: 0,
    })
    expect((await importV1()).stdout).toContain('Nothing to import')
    expect(place.query('SELECT count(*) AS n FROM user_activities')).toEqual([{ n: log.length + 13 }])
  })
})

describe('what it needs', () => {
  test('a password for credentials that are to be written, before anything is touched', async () => {
    const { importV1, place, remove } = await v1Place()
    place.env['ENCRYPTION_PASSWORD'] = undefined
    const before = [traceOf(place.volume), traceOf(place.repository)]
    expectRefused(await importV1(), 78, 'ENCRYPTION_PASSWORD', 'Nothing was touched')
    expectRefused(await importV1('--dry-run'), 78, 'ENCRYPTION_PASSWORD')
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
    for (const id of ids) remove(`users/${id}/work_fossa_credentials.json`)
    expectOk(await importV1())
    expect(place.query('SELECT * FROM user_credentials')).toEqual([])
  })

  test('the password that the credentials in the database were written with', async () => {
    const { importV1, place } = await v1Place()
    expectOk(await importV1())
    pythonSql(place.database, `DELETE FROM user_credentials WHERE user_id = '${ids[0]}'`)
    place.env['ENCRYPTION_PASSWORD'] = 'not the one of before'
    const before = traceOf(place.volume)
    expectRefused(await importV1(), 65, 'another password or salt', ids[1])
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('a repository, or the word that there is to be no way back', async () => {
    const { importV1, place } = await v1Place()
    place.env['LOCKKEEPER_REPOSITORY'] = undefined
    const before = traceOf(place.volume)
    expectRefused(await importV1(), 78, 'LOCKKEEPER_REPOSITORY')
    expect(traceOf(place.volume)).toEqual(before)
    expectOk(await importV1('--no-backup'))
  })

  test('a database that is managed and has the tables', async () => {
    const { data } = await v1Place()
    const command = ['fossawork', 'import-v1', '--data', data]
    const env = { ENCRYPTION_PASSWORD: encryptionPassword }
    const nothing = newPlace(env)
    expectRefused(await nothing.run(command), 66, 'no database', 'lockkeeper run')
    const unmanaged = newPlace(env)
    pythonSql(unmanaged.database, 'CREATE TABLE users (id)')
    expectRefused(await unmanaged.run(command), 65, 'not managed', 'lockkeeper run')
    const other = newPlace(env)
    other.migration('v001_other', '-- migrate:up\nCREATE TABLE users (id TEXT PRIMARY KEY);')
    expectOk(await other.run(['run']))
    expectRefused(await other.run(command), 65, 'work_orders', 'users.email', 'lockkeeper run')
  })

  test('no more than the first level', async () => {
    const { data, importV1, place } = await v1Place('v1-app', 'v001_initial_schema')
    expectOk(await importV1())
    const { actual, expected } = readByPython(data, place.database)
    expect(actual).toEqual(expected)
  })

  test('a database that nobody else uses', async () => {
    const { importV1, place } = await v1Place()
    const writer = await hold(place.database, 'BEGIN IMMEDIATE')
    expectRefused(await importV1('--lock-timeout', '300ms'), 75, 'in use')
    await writer.release()
    const reader = await hold(place.database, 'BEGIN; SELECT count(*) FROM users')
    expectRefused(await importV1('--lock-timeout', '300ms'), 75, 'in use')
    expect(place.query('SELECT * FROM users')).toEqual([])
    await reader.release()
    expectOk(await importV1())
  })

  test('no trigger of the application that gets in the way: then all of it is rolled back', async () => {
    const { importV1, place } = await v1Place()
    const triggers = [
      ['refuses', "BEFORE INSERT ON user_batch_history BEGIN SELECT RAISE(ABORT, 'no batches'); END", 'no batches'],
      ['ignores', 'BEFORE INSERT ON user_batch_history BEGIN SELECT RAISE(IGNORE); END', 'was not put into'],
      ['changes', "AFTER INSERT ON user_batch_history BEGIN UPDATE users SET label = 'changed'; END", 'users'],
      ['removes', 'AFTER INSERT ON user_batch_history BEGIN DELETE FROM user_sessions; END', 'user_sessions'],
      [
        'adds',
        "AFTER INSERT ON user_sessions BEGIN INSERT INTO users (id, email) VALUES ('x', 'y'); END",
        'users has 4 rows',
      ],
    ]
    for (const [name, sql, culprit = ''] of triggers) {
      pythonSql(place.database, `CREATE TRIGGER ${name} ${sql}`)
      const before = applicationOf(place.database)
      expectRefused(await importV1('--no-backup'), 65, culprit, 'rolled back')
      expect(applicationOf(place.database)).toEqual(before)
      pythonSql(place.database, `DROP TRIGGER ${name}`)
    }
    expectOk(await importV1())
  })
})

test('everything that is wrong is one list, and nothing is written', async () => {
  const { importV1, place, write } = await v1Place()
  write('settings.json', '{')
  write(`users/${ids[1]}/activity_log.json`, [{ activity: 'x', timestamp: 'yesterday' }])
  write('users/stranger/email_settings.json', {})
  const before = [traceOf(place.volume), traceOf(place.repository)]
  for (const flags of [[], ['--dry-run']]) {
    const ran = await importV1('--json', ...flags)
    expectRefused(
      ran,
      65,
      '3 things are wrong',
      'settings.json',
      'users/stranger',
      'entry 1: timestamp is no date',
      'Nothing was imported',
    )
    expect(JSON.parse(ran.stdout).error.details.problems).toHaveLength(3)
  }
  expectRefused(await place.run(['fossawork', 'import-v1', '--data', '/nowhere']), 66, '/nowhere', '--data')
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
})

test('it tells its steps, and warns of what it does not import', async () => {
  const { importV1, write } = await v1Place()
  write('thumbs.db', 'x')
  write(`users/${ids[0]}/notes.txt`, 'x')
  const ran = await importV1()
  expectOk(ran)
  expect([...new Set(logOf(ran).map(line => line.step))]).toEqual([
    'read',
    'look',
    'lock',
    'backup',
    'import',
    'validate',
    'commit',
  ])
  const warnings = logOf(ran).filter(({ level }) => level === 'warn')
  expect(warnings.map(({ msg }) => msg)).toEqual([
    expect.stringContaining('thumbs.db'),
    expect.stringContaining(`users/${ids[0]}/notes.txt`),
  ])
  expect(messagesOf(ran, 'read')[0]).toContain('3 users')
})
