import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { leadingComments } from '../../src/migrations/comments.ts'
import { loadMigrations } from '../../src/migrations/load.ts'
import { inspectModules } from '../../src/migrations/modules.ts'
import { stateOf, until } from '../database/processes.ts'
import { start } from '../support/cli.ts'
import { folderOf, load, problemsOf } from './folder.ts'

describe('a module', () => {
  it('is a migration by what it exports', async () => {
    const [migration] = await load({
      'v1_users.ts': `
        export const description: string = 'lower-case mails'
        export const dependencies: string[] = []
        export async function up(db: { exec(sql: string): void }) { db.exec('CREATE TABLE t(a)') }
        export const down = (db: { exec(sql: string): void }) => db.exec('DROP TABLE t')`,
    })
    expect(migration).toMatchObject({
      version: 'v1_users',
      description: 'lower-case mails',
      dependencies: [],
      up: { kind: 'module', call: { function: 'up' } },
      down: { kind: 'module', call: { function: 'down' } },
    })
  })

  it.each([
    ['v1.js', 'export function up(db) {}'],
    ['v1.mjs', 'export const up = db => {}'],
    ['v1.cjs', 'module.exports = { up(db) {} }'],
    ['v1.mts', 'export function up(db: unknown): void {}'],
    ['v1.cts', 'exports.up = (db: unknown) => {}'],
  ])('may be called %s', async (name, code) => {
    expect((await load({ [name]: code }))[0]).toMatchObject({ version: 'v1', down: undefined })
  })

  it('takes directives from comments before its first statement, imports aside', async () => {
    const [migration] = await load({
      'v1.ts': `#!/usr/bin/env node
        // description: by comment
        import type { DatabaseSync } from 'node:sqlite'
        import { join } from "node:path"; /*
         * allow-row-loss: a, b
         */
        // compatible: true
        export function up(db: DatabaseSync) { join('a') }
        // transaction: off`,
    })
    expect(migration).toMatchObject({
      description: 'by comment',
      directives: { allowRowLoss: ['a', 'b'], compatible: true, transaction: true },
    })
  })

  it('may depend on what it exports and on what a comment says', async () => {
    const files = {
      'v1.ts': 'export function up() {}',
      'v2.ts': 'export function up() {}',
      'v3.ts': '// depends: v1\nexport const dependencies = ["v2"]\nexport function up() {}',
    }
    expect((await load(files)).at(-1)?.dependencies).toEqual(['v1', 'v2'])
  })
})

describe('the refusal of a module names it and says why:', () => {
  const wrong: [string, string, RegExp][] = [
    ['it is no TypeScript', '\nexport function up( {', /cannot be imported: Unexpected token.* \(line 2\)$/],
    ['it is TypeScript that does not vanish', 'enum A { B }\nexport function up() {}', /cannot be imported: .*enum/],
    ['what it imports is not there', "import 'no-such-package'\nexport function up() {}", /no-such-package/],
    [
      'it throws',
      "\nthrow new Error('not today')\nexport function up() {}",
      /cannot be imported: not today \(line 2\)$/,
    ],
    ['it throws nothing in particular', 'throw undefined', /cannot be imported: undefined/],
    ['it has no up', 'export function down() {}', /exports no function up\(db\)$/],
    ['its up is no function', 'export const up = 1', /exports no function up\(db\)$/],
    [
      'its up is in the default export',
      'export default { up() {} }',
      /write "export function up", not "export default"/,
    ],
    [
      'its down is no function',
      'export function up() {}\nexport const down = "DROP TABLE t"',
      /its down is not a function/,
    ],
    ['its down is null', 'export function up() {}\nexport const down = null', /its down is not a function/],
    [
      'its description is no text',
      'export function up() {}\nexport const description = 1',
      /description is not a string/,
    ],
    [
      'its dependencies are no list',
      'export function up() {}\nexport const dependencies = "v1"',
      /not an array of strings/,
    ],
    [
      'its dependencies are no texts',
      'export function up() {}\nexport const dependencies = [() => 1]',
      /not an array of strings/,
    ],
    [
      'what it exports has no end',
      'export function up() {}\nexport const description = {}\ndescription.a = description',
      /circular/,
    ],
    [
      'it ends the process',
      'process.exit(0)\nexport function up() {}',
      /importing it ended the process \(exit code 0\)/,
    ],
    ['it is killed', "process.kill(process.pid, 'SIGKILL')", /importing it ended the process \(SIGKILL\)/],
    ['it waits for what never comes', 'await new Promise(() => {})\nexport function up() {}', /never finishes loading/],
    ['a directive is misspelt', '// allow-row-los: t\nexport function up() {}', /write "allow-row-loss: ..."/],
  ]
  it.each(wrong)('%s', async (_, code, why) => {
    const problems = await problemsOf({
      'v1.sql': '-- migrate:up\n',
      'v2.ts': code,
      'v3.ts': 'export function up() {}',
    })
    expect(problems).toEqual([expect.stringMatching(/^v2\.ts: /)])
    expect(problems[0]).toMatch(why)
  })

  it('it never stops loading', async () => {
    const folder = folderOf({ 'a.js': 'for (;;);', 'b.js': 'export function up() {}' })
    const urls = ['a.js', 'b.js'].map(name => pathToFileURL(join(folder, name)).href)
    const [first, second] = await inspectModules(urls, 1_500)
    expect(first).toEqual(new Error('it does not finish loading in 1.5 s'))
    expect(second).toMatchObject({ up: 'function', down: 'undefined' })
  })
})

describe('a module that never stops loading is gone', () => {
  /** It says which process it runs in, and goes on for ever. */
  function endless() {
    const folder = folderOf({})
    const mark = join(folder, 'pid')
    const code = `import { renameSync, writeFileSync } from 'node:fs'
      writeFileSync(${JSON.stringify(`${mark}.new`)}, String(process.pid))
      renameSync(${JSON.stringify(`${mark}.new`)}, ${JSON.stringify(mark)})
      for (;;);`
    writeFileSync(join(folder, 'v1.js'), code)
    const pid = () => Number(readFileSync(mark, 'utf8'))
    return { folder, pid, begun: () => until('the module is imported', () => existsSync(mark)) }
  }

  it('when the signal says so', async () => {
    const { begun, folder, pid } = endless()
    const controller = new AbortController()
    const loading = loadMigrations(folder, controller.signal)
    await begun()
    controller.abort(new Error('enough'))
    await expect(loading).rejects.toThrow('enough')
    expect(await stateOf(pid())).toBeUndefined()
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)('after a %s to the command that reads it', async signal => {
    const { begun, folder, pid } = endless()
    const env = { DATABASE_URL: join(folder, 'app.db'), LOCKKEEPER_MIGRATIONS: folder }
    const running = start(['status'], { env })
    await begun()
    running.process.kill(signal)
    await running.done
    await until('the process of the module is gone', async () => (await stateOf(pid())) === undefined)
  })
})

describe('what a module does when it is imported', () => {
  it('happens in another process: it can end, print and change what is global there', async () => {
    const code = `
      console.log('printed')
      globalThis.touched = process.pid
      process.exitCode = 3
      setInterval(() => {}, 1000)
      export const description = String(process.pid)
      export function up() {}`
    const [migration] = await load({ 'v1.js': code })
    expect(migration?.description).toMatch(/^\d+$/)
    expect(migration?.description).not.toBe(String(process.pid))
    expect(Reflect.get(globalThis, 'touched')).toBeUndefined()
    expect(process.exitCode).toBeUndefined()
  })

  it('is a reading: no function of it is called', async () => {
    const folder = folderOf({})
    const mark = JSON.stringify(join(folder, 'called'))
    await load({
      'v1.js': `import { writeFileSync } from 'node:fs'
        export function up() { writeFileSync(${mark}, '') }
        export function down() { writeFileSync(${mark}, '') }`,
    })
    expect(existsSync(join(folder, 'called'))).toBe(false)
  })

  it('comes from the file as it is now, however often it was imported before', async () => {
    const first = await load({ 'v1.js': 'export const description = "one"\nexport function up() {}' })
    const second = await load({ 'v1.js': 'export const description = "two"\nexport function up() {}' })
    expect([...first, ...second].map(({ description }) => description)).toEqual(['one', 'two'])
    const urls = [...first, ...second].map(({ up }) => up.kind === 'module' && new URL(up.call.url).search)
    expect(new Set(urls).size).toBe(2)
  })
})

it.each([
  ['// a\n// b\ncode // c', ['a', 'b']],
  ['/** a\n * b\n */ code', ['a', 'b', '']],
  ["import a from 'x' // a\nimport type { B } from './b.ts'\n// b\nlet c // d", ['b']],
  ["import('x') // a", []],
  ['"use strict" // a', []],
  ['', []],
])('before the first statement of %j stand %j', (code, comments) => {
  expect(leadingComments(code)).toEqual(comments)
})
