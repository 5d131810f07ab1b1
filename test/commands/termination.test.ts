/** The last word for Kubernetes: a sentence and a line of JSON in a file, at most 1 KiB. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

/** Reads the file, and sees that it is what Kubernetes and a person can use. */
function lastWord(path: string): { sentence: string; facts: Record<string, unknown> } {
  const bytes = readFileSync(path)
  expect(bytes.length).toBeLessThanOrEqual(1024)
  const text = new TextDecoder('utf8', { fatal: true }).decode(bytes)
  const lines = text.split('\n')
  expect(lines).toHaveLength(2)
  const [sentence = '', json = ''] = lines
  expect(sentence).toMatch(/\S/)
  return { sentence, facts: JSON.parse(json) }
}

async function place(): Promise<Workplace & { readonly log: string }> {
  const made = await shop()
  const log = join(made.folder, 'termination-log')
  made.env['LOCKKEEPER_TERMINATION_LOG'] = log
  return Object.assign(made, { log })
}

test('after a deploy it says what was done and where the way back is', async () => {
  const here = await place()
  here.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  expectOk(await here.run(['run']))
  expect(lastWord(here.log)).toEqual({
    sentence: '1 migration applied: the database went from v001_shop to v002_carts.',
    facts: {
      code: 'ok',
      exit: 0,
      outcome: 'changed',
      from: 'v001_shop',
      level: 'v002_carts',
      versions: ['v002_carts'],
      backup: here.backups()[0],
      repository: here.env['LOCKKEEPER_REPOSITORY'],
    },
  })
})

test('with nothing to do it says so', async () => {
  const here = await place()
  expectOk(await here.run(['run']))
  expect(lastWord(here.log)).toMatchObject({
    sentence: 'Nothing to do: the database is at v001_shop.',
    facts: { exit: 0 },
  })
})

test('after a refusal it has the message, the code and what to do next', async () => {
  const here = await place()
  here.migration('v002_bad', '-- migrate:up\nDELETE FROM orders;')
  expectRefused(await here.run(['run']), 65, 'orders')
  const { sentence, facts } = lastWord(here.log)
  expect(sentence).toContain('orders had 4 rows and would have 0')
  expect(facts).toMatchObject({ code: 'invalid', exit: 65, hint: expect.stringContaining('allow-row-loss') })
})

test('for settings that are wrong it works as well', async () => {
  const here = await place()
  expectRefused(await here.run(['run'], { LOCKKEEPER_TIMEOUT: 'soon' }), 78, 'soon')
  expect(lastWord(here.log)).toMatchObject({
    sentence: expect.stringContaining('soon'),
    facts: { code: 'config', exit: 78 },
  })
})

test('the flag wins over the variable', async () => {
  const here = await place()
  const other = join(here.folder, 'other')
  expectOk(await here.run(['status', '--termination-log', other]))
  expect(lastWord(other).facts).toMatchObject({ code: 'ok' })
  expect(existsSync(here.log)).toBe(false)
})

describe('a very long message', () => {
  const long: readonly [string, string, string][] = [
    ['plain', 'bad luck ', 'bad luck'],
    ['of two bytes a letter', 'übel ', 'übel'],
    ['of three bytes a letter', '不幸', '不幸'],
    ['of four bytes a letter', '🚧', '🚧'],
    ['of quotes and line breaks', '"\\n\\\\', '"'],
  ]
  test.each(long)('%s is shortened between two letters, and the JSON is whole', async (_, text, shown) => {
    const here = await place()
    here.migration('v002_bad.js', `export function up() { throw new Error(${JSON.stringify(text)}.repeat(5000)) }`)
    expectRefused(await here.run(['run']), 1, shown)
    const { sentence, facts } = lastWord(here.log)
    expect(facts).toMatchObject({ code: 'failed', exit: 1 })
    expect(sentence).toContain(shown)
    expect(sentence).toMatch(/…$/)
    expect(sentence).not.toContain('\uFFFD')
    expect(readFileSync(here.log).length).toBeGreaterThan(1024 - 8)
  })
})

test('facts that are too long are left out, the last ones first', async () => {
  const here = newPlace()
  const log = join(here.folder, 'termination-log')
  for (let n = 1; n <= 12; n++)
    here.migration(
      `v${String(n).padStart(3, '0')}_${'long_name_'.repeat(12)}`,
      `-- migrate:up\nCREATE TABLE t${n} (n);`,
    )
  expectOk(await here.run(['run', '--termination-log', log]))
  const { sentence, facts } = lastWord(log)
  expect(facts).toMatchObject({ code: 'ok', exit: 0, outcome: 'changed' })
  expect(sentence).toMatch(/^12 migrations applied/)
})

test('a place that cannot be written to does not change the outcome', async () => {
  const here = await place()
  mkdirSync(here.log)
  expectOk(await here.run(['run']))
  expectOk(await here.run(['run'], { LOCKKEEPER_TERMINATION_LOG: '/nowhere/log' }))
})
