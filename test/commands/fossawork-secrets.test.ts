/** No password of V1, no credential and no key in any output, log, report, error, history or backup. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { deriveKey } from '../../src/fossawork/encryption.ts'
import { expectOk } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { ids, v1Place } from '../support/v1.ts'

const password = 'Pä"ss\'wörd\\ one\n✓'
const login = 'lögin "of" Ada'
const secret = "sëcret ' of \\ Ada ✓"
const encryptionPassword = 'quote " and \\ ünïcode ✓'
const derived = Object.values(deriveKey(encryptionPassword)).flatMap((part: Buffer) => [
  part.toString('hex'),
  part.toString('base64'),
  part.toString('base64url'),
])
/** Whole, or the longest part that no escape splits, in UTF-8 and as JSON may write it. */
const traces = [
  "ss'w",
  'rd\\',
  'wörd',
  'w\\u00f6rd',
  'lögin',
  'l\\u00f6gin',
  'of" Ada',
  'of\\" Ada',
  'sëcret',
  's\\u00ebcret',
  "' of \\",
  'quote "',
  'quote \\"',
  'ünïcode',
  ...derived,
]

function expectNoSecret(text: string): void {
  for (const trace of traces) expect(text).not.toContain(trace)
}

/** Every file in a folder, chunks and manifests unpacked. */
function allOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => statSync(join(folder, name)).isFile())
    .map(name => {
      const bytes = readFileSync(join(folder, name))
      return name + (name.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString('utf8')
    })
    .join('\n')
}

async function placeWithSecrets() {
  const made = await v1Place()
  const { json, place, write } = made
  const log = join(place.folder, 'last-word')
  Object.assign(place.env, { ENCRYPTION_PASSWORD: encryptionPassword, LOCKKEEPER_TERMINATION_LOG: log })
  const users = json('users/users.json')
  write('users/users.json', users.with(0, { ...users[0], password, old_password: password }))
  write(`users/${ids[0]}/work_fossa_credentials.json`, { username: login, password: secret, note: secret })
  return { ...made, log }
}

test.each([[[]], [['--json']], [['--log-format', 'pretty']]])('imported with %j', async flags => {
  const { importV1, log, place } = await placeWithSecrets()
  for (const more of [['--dry-run'], [], []]) {
    const ran = await importV1(...flags, ...more)
    expect(ran.exit, ran.output).toBe(0)
    expectNoSecret(ran.output)
    expectNoSecret(readFileSync(log, 'utf8'))
  }
  expect(place.query('SELECT id FROM user_credentials')).toHaveLength(3)
  expectNoSecret(allOf(place.volume))
  expectOk(await place.run(['backup']))
  expectNoSecret(allOf(place.repository))
  // Who asks later need not have the variable.
  for (const command of ['history', 'status', 'validate'])
    expectNoSecret((await place.run([command, ...flags], { ENCRYPTION_PASSWORD: undefined })).output)
})

test.each([[[]], [['--json']], [['--log-format', 'pretty']]])('refused with %j', async flags => {
  const spoils: ((made: Awaited<ReturnType<typeof placeWithSecrets>>) => void)[] = [
    ({ write }) => write('users/users.json', `[{"password": ${JSON.stringify(password)} ${secret}}]`),
    ({ write }) => write('users/users.json', `${secret}`),
    ({ json, write }) =>
      write(
        'users/users.json',
        json('users/users.json').map((user: object) => ({ ...user, lastUsed: secret, label: [secret] })),
      ),
    ({ write }) => write(`users/${ids[0]}/work_fossa_credentials.json`, { username: login }),
    ({ write }) =>
      write(`users/${ids[0]}/work_fossa_credentials.json`, { username: login, password: { nested: secret } }),
    ({ write }) =>
      write(`users/${ids[0]}/work_fossa_credentials.json`, `{"username": "${'lögin'}, "password": ${secret}`),
    ({ place }) =>
      pythonSql(
        place.database,
        'CREATE TRIGGER t BEFORE INSERT ON user_credentials BEGIN SELECT missing(new.encrypted_password); END',
      ),
    ({ place }) =>
      pythonSql(
        place.database,
        'ALTER TABLE user_credentials ADD COLUMN more TEXT CHECK (length(encrypted_password) < 5)',
      ),
  ]
  const made = await placeWithSecrets()
  const { importV1, log, place } = made
  const untouched = {
    users: made.json('users/users.json'),
    credentials: made.json(`users/${ids[0]}/work_fossa_credentials.json`),
  }
  for (const spoil of spoils) {
    made.write('users/users.json', untouched.users)
    made.write(`users/${ids[0]}/work_fossa_credentials.json`, untouched.credentials)
    spoil(made)
    const ran = await importV1('--no-backup', ...flags)
    expect(ran.exit, ran.output).toBe(65)
    expectNoSecret(ran.output)
    expectNoSecret(readFileSync(log, 'utf8'))
  }
  expectNoSecret(allOf(place.volume))
})
