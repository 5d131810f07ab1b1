/** `fossawork encrypt-credentials`: what is in plain text is encrypted in place, and no two keys are mixed. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decrypt, deriveKey, encrypt, fernetToken } from '../../src/fossawork/encryption.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { encryptionPassword, ids, pythonUsing } from '../support/v1.ts'
import { applicationOf, fossaworkPlace, traceOf, type Workplace } from '../support/workplace.ts'

const key = deriveKey(encryptionPassword)
const plain = `it's "plain" – ünïcode ✓`

/** Ada's credentials are in plain text, Grace's half, and Linus's are encrypted. */
async function placeWith(...stored: (readonly [string, string])[]): Promise<Workplace> {
  const place = fossaworkPlace()
  place.env['ENCRYPTION_PASSWORD'] = encryptionPassword
  expectOk(await place.run(['run']))
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`
  const rows = stored.map(
    ([name, secret], at) => `INSERT INTO users (id, email) VALUES ('${ids[at]}', 'user${at}@example.org');
      INSERT INTO user_credentials (user_id, service_name, encrypted_username, encrypted_password, is_active)
      VALUES ('${ids[at]}', 'work_fossa', ${text(name)}, ${text(secret)}, 1)`,
  )
  pythonSql(place.database, rows.join(';'))
  return place
}

const usual = () =>
  placeWith(['ada', plain], [encrypt(key, 'grace'), 'hunter-2-'], [encrypt(key, 'linus'), encrypt(key, 'other')])
const command = ['fossawork', 'encrypt-credentials']
const cellsOf = (place: Workplace) =>
  place
    .query('SELECT encrypted_username AS name, encrypted_password AS secret FROM user_credentials ORDER BY id')
    .map(({ name, secret }) => [String(name), String(secret)] as const)

test('what is left of a token is refused, and what Python reads in spite of its line end is no plain text', async () => {
  const whole = encrypt(key, 'grace')
  const place = await placeWith(['ada', plain], [`${whole}\n`, whole.slice(0, -8)])
  const cells = cellsOf(place)
  expectRefused(await place.run(command), 65, ids[1], 'encrypted_password is a Fernet token that is not whole')
  expect(cellsOf(place)).toEqual(cells)
})

test('plain text is encrypted in place, what is encrypted stays byte for byte, and nothing else changes', async () => {
  const place = await usual()
  const before = applicationOf(place.database)
  const cells = cellsOf(place)
  const ran = await place.run([...command, '--json'])
  expectOk(ran)
  expect(JSON.parse(ran.stdout)).toMatchObject({
    outcome: 'changed',
    rows: 3,
    encrypted: 2,
    backup: place.backups()[0],
  })
  const after = cellsOf(place)
  expect(after.map(row => row.map(cell => decrypt(key, cell)))).toEqual([
    ['ada', plain],
    ['grace', 'hunter-2-'],
    ['linus', 'other'],
  ])
  expect(after[1]?.[0]).toBe(cells[1]?.[0])
  expect(after[2]).toEqual(cells[2])
  const { rows, schema } = applicationOf(place.database)
  expect(schema).toEqual(before.schema)
  const others = (tables: Record<string, unknown[]>) => ({
    ...tables,
    user_credentials: [],
    audit_trail: [],
    sqlite_sequence: [],
  })
  expect(others(rows)).toEqual(others(before.rows))
  const rest = 'SELECT id, user_id, service_name, is_active, is_verified, created_at, updated_at FROM user_credentials'
  expect(place.query(rest)).toHaveLength(3)
  const [attempt] = JSON.parse((await place.run(['history', '--json'])).stdout).attempts
  expect(attempt).toMatchObject({ action: 'encrypt', outcome: 'ok', backup_id: place.backups()[0] })
  expect(place.query("SELECT table_name, changes_json FROM audit_trail WHERE action = 'encrypt'")).toEqual([
    { table_name: 'user_credentials', changes_json: JSON.stringify({ rows: 2, backup: place.backups()[0] }) },
  ])
})

test('nothing of the plain text is left in the file, nor in any output', async () => {
  const place = await usual()
  expect(readFileSync(place.database, 'latin1')).toContain('hunter-2-')
  for (const flags of [['--dry-run'], [], ['--log-format', 'pretty'], ['--json']]) {
    const ran = await place.run([...command, ...flags])
    expectOk({ ...ran, stderr: '' })
    expect(ran.output).not.toMatch(/hunter-2-|it's|plain"|ünïcode|quote "|linus|grace/)
  }
  const bytes = readFileSync(place.database)
  expect(bytes.includes(plain)).toBe(false)
  expect(bytes.includes('hunter-2-')).toBe(false)
})

test('twice is once', async () => {
  const place = await usual()
  expectOk(await place.run(command))
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const ran = await place.run(command)
  expectOk(ran)
  expect(ran.stdout).toContain('Nothing to encrypt: 3 of 3 rows')
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
})

test('a dry run counts, and touches nothing', async () => {
  const place = await usual()
  const before = traceOf(place.volume)
  const ran = await place.run([...command, '--dry-run', '--json'])
  expectOk(ran)
  expect(JSON.parse(ran.stdout)).toMatchObject({ outcome: 'planned', rows: 3, encrypted: 2, backup: null })
  expect(traceOf(place.volume)).toEqual(before)
})

test('with another password than what is encrypted already, it refuses and names the rows', async () => {
  const place = await usual()
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const env = { ENCRYPTION_PASSWORD: 'not the one of before' }
  for (const flags of [[], ['--dry-run']])
    expectRefused(await place.run([...command, ...flags], env), 65, ids[1], ids[2], 'encrypted_password', 'no two keys')
  expectRefused(await place.run(command, { ENCRYPTION_SALT: 'another' }), 65, ids[1], ids[2])
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
})

test('a bare token and a value that is no text are refused', async () => {
  const place = await placeWith([fernetToken(key, 'ada'), 'x'], ['y', 'z'])
  pythonSql(place.database, `UPDATE user_credentials SET encrypted_password = x'00' WHERE user_id = '${ids[1]}'`)
  expectRefused(await place.run(command), 65, 'not encoded in base64 once more', 'encrypted_password is no text')
})

test('needs the password, a repository, and the database for itself', async () => {
  const place = await usual()
  const before = traceOf(place.volume)
  expectRefused(await place.run(command, { ENCRYPTION_PASSWORD: undefined }), 78, 'ENCRYPTION_PASSWORD')
  expectRefused(await place.run(command, { LOCKKEEPER_REPOSITORY: undefined }), 78, 'LOCKKEEPER_REPOSITORY')
  const writer = await hold(place.database, 'BEGIN IMMEDIATE')
  expectRefused(await place.run([...command, '--lock-timeout', '300ms']), 75, 'in use')
  await writer.release()
  expect(traceOf(place.volume)['app.db']).toBe(before['app.db'])
  expectOk(await place.run([...command, '--no-backup'], { LOCKKEEPER_REPOSITORY: undefined }))
})

test('a trigger that gets in the way: all of it is rolled back', async () => {
  const place = await usual()
  const cells = cellsOf(place)
  for (const body of [
    'AFTER UPDATE ON user_credentials WHEN new.id = 2 BEGIN UPDATE user_credentials SET encrypted_password = old.encrypted_password WHERE id = 2; END',
    'BEFORE UPDATE ON user_credentials WHEN new.id = 2 BEGIN SELECT RAISE(IGNORE); END',
    'AFTER UPDATE ON user_credentials WHEN new.id = 2 BEGIN DELETE FROM user_credentials WHERE id = 3; END',
  ]) {
    pythonSql(place.database, `CREATE TRIGGER t ${body}`)
    expectRefused(await place.run([...command, '--no-backup']), 65, 'as it was written')
    expect(cellsOf(place)).toEqual(cells)
    pythonSql(place.database, 'DROP TRIGGER t')
  }
})

test('what it writes is read by Python as V2 reads it', async () => {
  const place = await usual()
  expectOk(await place.run(command))
  const script = `
import base64, hashlib, sqlite3, sys
from cryptography.fernet import Fernet
key = hashlib.pbkdf2_hmac('sha256', sys.argv[2].encode(), b'fossawork-salt-v', 100000, 32)
fernet = Fernet(base64.urlsafe_b64encode(key))
for row in sqlite3.connect(sys.argv[1]).execute('SELECT encrypted_username, encrypted_password FROM user_credentials ORDER BY id'):
    print(*(fernet.decrypt(base64.b64decode(cell)).decode() for cell in row))`
  const read = await pythonUsing('cryptography', script, [place.database, encryptionPassword])
  expect(read).toBe(`ada ${plain}\ngrace hunter-2-\nlinus other`)
})
