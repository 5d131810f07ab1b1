/** With --json: exactly one JSON document on standard output, and nothing on standard error but log lines in JSON. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { logOf, type Ran } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

const carts = '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;'

/** One after the other on one database, so that each of them has something to do. */
const commands: readonly [string, readonly string[]][] = [
  ['run with something to do', ['run']],
  ['run with nothing to do', ['run']],
  ['status', ['status']],
  ['plan', ['plan']],
  ['history', ['history']],
  ['validate', ['validate']],
  ['backup', ['backup']],
  ['backups', ['backups']],
  ['rollback', ['rollback', '--steps', '1']],
  ['restore', ['restore', '--latest']],
]

/** A document and no more: its text is that of the value that it stands for. */
function documentOf({ stdout }: Ran): Record<string, unknown> {
  const document = JSON.parse(stdout)
  expect(stdout).toBe(`${JSON.stringify(document, null, 2)}\n`)
  return document
}

function expectLogLines(ran: Ran): void {
  for (const line of logOf(ran)) {
    expect(line).toMatchObject({
      level: expect.stringMatching(/^(info|warn|error)$/),
      msg: expect.stringMatching(/\S/),
    })
    expect(new Date(line.time).toISOString()).toBe(line.time)
  }
}

test('every command that ends well', async () => {
  const place = await shop()
  place.migration('v002_carts', carts)
  for (const [name, args] of commands) {
    const ran = await place.run([...args, '--json'])
    expect(ran, `${name}: ${ran.output}`).toMatchObject({ exit: 0 })
    expect(documentOf(ran), name).not.toHaveProperty('error')
    expectLogLines(ran)
  }
})

describe('every command that is refused', () => {
  const places: readonly [string, number, (place: Workplace) => void][] = [
    [
      'for its settings',
      78,
      place => Object.assign(place.env, { DATABASE_URL: 'postgres://x', LOCKKEEPER_TIMEOUT: 'soon' }),
    ],
    ['for its flags', 64, () => {}],
  ]
  test.each(places)('%s', async (_, exit, spoil) => {
    const place = newPlace()
    spoil(place)
    for (const args of new Set(commands.map(([, words]) => words))) {
      const ran = await place.run([...args, '--json', ...(exit === 64 ? ['--unheard-of'] : [])])
      expect(ran.exit, args.join(' ')).toBe(exit)
      const { error } = documentOf(ran) as { error: Record<string, unknown> }
      expect(error).toMatchObject({ exit, message: expect.stringMatching(/\S/), hint: expect.stringMatching(/\S/) })
      expect(error).toHaveProperty('code')
      expect(error).toHaveProperty('details')
      expectLogLines(ran)
      expect(logOf(ran).at(-1)).toMatchObject({ level: 'error', code: error['code'], exit, msg: error['message'] })
    }
  })
})

test('a failed migration, with what a program may want to know', async () => {
  const place = await shop()
  place.migration('v002_bad', '-- migrate:up\nCREATE TABLE carts (n);\nDELETE FROM orders;')
  const ran = await place.run(['run', '--json'])
  expect(documentOf(ran)).toMatchObject({
    error: {
      code: 'invalid',
      exit: 65,
      details: { version: 'v002_bad', losses: [{ table: 'orders', before: 4, after: 0 }] },
    },
  })
  expectLogLines(ran)
})

test('what run reports', async () => {
  const place = await shop()
  place.migration(
    'v002_carts',
    '-- allow-row-loss: orders\n-- migrate:up\nCREATE TABLE carts (n);\nDELETE FROM orders WHERE id = 1;',
  )
  expect(documentOf(await place.run(['run', '--json']))).toEqual({
    outcome: 'changed',
    database: place.database,
    restored: null,
    from: 'v001_shop',
    level: 'v002_carts',
    adopted: [],
    versions: [{ version: 'v002_carts', direction: 'up', milliseconds: expect.any(Number) }],
    backup: place.backups()[0],
    repository: place.env['LOCKKEEPER_REPOSITORY'],
    warnings: [],
    rows: { carts: { before: null, after: 0 }, orders: { before: 4, after: 3 } },
  })
})

test('the log is JSON lines wherever no terminal is, and plain lines with --log-format pretty', async () => {
  const place = await shop()
  const json = await place.run(['run'], { LOCKKEEPER_LOG_FORMAT: undefined })
  expectLogLines(json)
  const pretty = await place.run(['run', '--log-format', 'pretty'])
  expect(pretty.stderr).toMatch(/^\d\d:\d\d:\d\d {2}read {6}1 migration in .* {2}\(.* ms\)$/m)
  const refused = await place.run(['run', '--log-format', 'pretty', '--timeout', 'soon'])
  expect(refused.stderr).toMatch(/^\nerror: LOCKKEEPER_TIMEOUT .*"soon".*\n\n {2}\S.*\n$/)
})

test('on a terminal the log is for a person', async () => {
  const place = await shop()
  const { LOCKKEEPER_LOG_FORMAT: _, ...env } = place.env
  const terminal = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
  const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
  const shown = execFileSync('python3', ['-c', terminal, process.execPath, program, 'run'], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  expect(shown).toMatch(/^\d\d:\d\d:\d\d {2}look {6}at v001_shop, 0 pending/m)
  expect(shown).toContain('Nothing to do: the database is at v001_shop.')
  expect(shown).not.toContain('{')
})

test('a large document is written whole, also to somebody who reads slowly', async () => {
  const place = newPlace()
  for (let n = 1; n <= 400; n++)
    place.migration(
      `v${String(n).padStart(4, '0')}_table`,
      `-- description: ${'a rather long description '.repeat(10)}\n-- migrate:up\nCREATE TABLE t${n} (n);`,
    )
  const plan = place.start(['plan', '--json'])
  plan.process.stdout?.pause()
  await new Promise(resolve => setImmediate(resolve))
  plan.process.stdout?.resume()
  const ran = await plan.done
  expect(ran.stdout.length).toBeGreaterThan(2 ** 17)
  expect(documentOf(ran)['migrations']).toHaveLength(400)
})
