/** No secret of the environment in any output, even where it is part of a path, an error or a migration. */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { shop } from '../support/shop.ts'
import type { Workplace } from '../support/workplace.ts'

const secrets = {
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI+K7MDENG/bPxRfiCYEXAMPLEKEY',
  AWS_SESSION_TOKEN: 'session token with spaces',
  ENCRYPTION_PASSWORD: 'pa"ss\\word\nof two lines',
  SOME_API_KEY: 'key-0123456789',
  REDIS_URL: 'redis://user:hidden-in-a-url@cache:6379/0',
}
/** As they could be told from the output: whole, or the longest part that no escape splits. */
const traces = [
  'wJalrXUtnFEMI',
  'MDENG',
  'CYEXAMPLEKEY',
  'session token',
  'session%20token',
  'of two lines',
  'ss\\\\word',
  'key-0123456789',
  'hidden-in-a-url',
]

function expectNoSecret(text: string): void {
  for (const trace of traces) expect(text).not.toContain(trace)
}

/** Every file in a folder, as one text. */
function allOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => statSync(join(folder, name)).isFile())
    .map(name => name + readFileSync(join(folder, name), 'latin1'))
    .join('\n')
}

async function placeWithSecrets(): Promise<Workplace & { readonly log: string }> {
  const place = await shop()
  const log = join(place.folder, 'last-word')
  Object.assign(place.env, secrets, { LOCKKEEPER_TERMINATION_LOG: log })
  return Object.assign(place, { log })
}

const formats = [[['--log-format', 'json']], [['--log-format', 'pretty']], [['--json']]]

describe.each(formats)('with %j', flags => {
  test('a path that has them in it is told without them', async () => {
    const place = await placeWithSecrets()
    for (const secret of Object.values(secrets)) {
      const ran = await place.run(['run', ...flags], { DATABASE_URL: `./nowhere/${secret}/app.db` })
      expect(ran.exit).not.toBe(0)
      expectNoSecret(ran.output)
      expect(ran.output).toContain('[redacted]')
      expectNoSecret(readFileSync(place.log, 'utf8'))
    }
  })

  test('an error of a migration that has them in it is told, and recorded, without them', async () => {
    const place = await placeWithSecrets()
    place.migration(
      'v002_bad.js',
      "export const up = () => { throw new Error(process.env.AWS_SECRET_ACCESS_KEY + ' and ' + process.env.ENCRYPTION_PASSWORD) }",
    )
    const ran = await place.run(['run', ...flags])
    expect(ran.exit).toBe(1)
    expectNoSecret(ran.output)
    expect(ran.output).toContain('[redacted] and [redacted]')
    expectNoSecret(readFileSync(place.log, 'utf8'))
    // Whoever asks later may not have the variable, so it must not be in the database.
    const none = Object.fromEntries(Object.keys(secrets).map(name => [name, undefined]))
    for (const command of ['history', 'status']) expectNoSecret((await place.run([command, ...flags], none)).output)
    expectNoSecret(allOf(place.volume))
    expectNoSecret(allOf(place.repository))
  })

  test('settings that are wrong, flags and names that have them in them are told without them', async () => {
    const place = await placeWithSecrets()
    const secret = secrets.AWS_SECRET_ACCESS_KEY
    for (const args of [
      ['run', '--timeout', secret],
      ['run', `--${secret}`],
      ['run', '--to', secret],
      ['run', '--repository', `https://key:${secret}@host/bucket`],
      ['run', '--drift', secret],
      ['rollback', '--version', secret],
      [secret],
    ]) {
      const ran = await place.run([...args, ...flags])
      expect(ran.exit).not.toBe(0)
      expectNoSecret(ran.output)
      expectNoSecret(readFileSync(place.log, 'utf8'))
    }
  })
})

test('a repository whose path has one in it is told without it, and its manifests do not have it', async () => {
  const place = await placeWithSecrets()
  const folder = join(place.folder, secrets.SOME_API_KEY)
  mkdirSync(folder)
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  const ran = await place.run(['run', '--json', '--repository', `file://${folder}`])
  expect(ran.exit).toBe(0)
  expectNoSecret(ran.output)
  expectNoSecret(readFileSync(place.log, 'utf8'))
  expect(readFileSync(join(folder, 'repository.json'), 'utf8')).not.toContain(secrets.SOME_API_KEY)
})

test('a secret that looks like a number does not break the JSON', async () => {
  const place = await shop()
  const { bytes } = JSON.parse((await place.run(['status', '--json'])).stdout)
  const ran = await place.run(['status', '--json'], { DB_PASSWORD: String(bytes).padStart(6, '0'), A_TOKEN: '202611' })
  expect(JSON.parse(ran.stdout)).toMatchObject({ bytes })
})
