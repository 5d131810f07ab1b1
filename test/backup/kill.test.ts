import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fetchBackup } from '../../src/backup/fetch.ts'
import {
  backup,
  byFolder,
  catalogOf,
  change,
  forget,
  freshRepository,
  makeDatabase,
  objectsOf,
  sha256Of,
  type TestRepository,
} from './support.ts'

const program = fileURLToPath(new URL('./backup-process.ts', import.meta.url))

/** Runs a backup in a process of its own; `kill` may end it once it has begun. Resolves to what it said. */
async function run(root: string, database: string, call: string, kill?: () => Promise<unknown>): Promise<string> {
  const child = spawn(process.execPath, [program, root, database, call], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (said === '') void kill?.().then(() => child.kill('SIGKILL'))
    said += text
  })
  await ended
  return said
}

/** Whatever backups there are, each one is whole; those that are `known` to be are not looked at again. */
async function expectOnlyWholeBackups(test: TestRepository, known = new Set<string>()): Promise<number> {
  const { backups, problems } = await catalogOf(test)
  expect(problems).toEqual([])
  for (const found of backups) {
    if (known.has(found.id)) continue
    known.add(found.id)
    const back = test.path(`${found.id}-${Math.random()}.db`)
    await fetchBackup(test.repository, found, back)
    expect(sha256Of(back)).toBe(found.manifest.database.sha256)
  }
  return backups.length
}

/** The next backup works, uploads nothing that is there, and is right. */
async function expectToContinue(test: TestRepository, database: string): Promise<void> {
  const before = objectsOf(test.root)
  forget(test.asked)
  const result = await backup(test, database)
  const uploaded = test.asked.puts.filter(key => /^(chunks|lists)/.test(key))
  expect(uploaded.filter(key => before.has(key))).toEqual([])
  expect(new Set(uploaded).size).toBe(uploaded.length)
  const back = test.path(`continued-${Math.random()}.db`)
  await fetchBackup(test.repository, result, back)
  expect(sha256Of(back)).toBe(sha256Of(database))
}

describe('a backup that is killed', () => {
  it('before any single call of the store leaves nothing that is not whole, and the next one goes on', {
    timeout: 300_000,
  }, async () => {
    const measure = await freshRepository()
    makeDatabase(measure.path('app.db'), { rows: 40 })
    const calls = Number(/done (\d+)/.exec(await run(measure.root, measure.path('app.db'), 'never'))?.[1])
    expect(calls).toBeGreaterThan(15)
    const outcomes: number[] = []
    for (let call = 0; call < calls; call++) {
      const test = await freshRepository()
      const database = test.path('app.db')
      makeDatabase(database, { rows: 40 })
      expect(await run(test.root, database, String(call))).toBe('started\n')
      outcomes.push(await expectOnlyWholeBackups(test))
      await expectToContinue(test, database)
      expect(byFolder(objectsOf(test.root).keys())['intents'] ?? 0).toBeLessThanOrEqual(1)
    }
    // None until the manifest was stored, one from then on.
    expect(outcomes).toEqual(outcomes.toSorted())
    expect(outcomes[0]).toBe(0)
    expect(outcomes.at(-1)).toBe(1)
  })

  it('at random moments leaves nothing that is not whole, and the next one goes on', { timeout: 300_000 }, async () => {
    const test = await freshRepository()
    const database = test.path('app.db')
    makeDatabase(database, { rows: 2000 })
    const measure = await freshRepository()
    let begun = 0
    await run(measure.root, database, 'never', async () => {
      begun = performance.now()
      await new Promise(() => {})
    })
    const duration = performance.now() - begun
    const known = new Set<string>()
    let killed = 0
    for (let round = 0; killed < 15 && round < 60; round++) {
      // Every other round goes on from a killed one, the others begin with something new.
      if (round % 2 === 0) change(database, `UPDATE visits SET photo = randomblob(60) WHERE id % 4 = ${round % 4}`)
      const said = await run(test.root, database, 'never', () => after(Math.random() * duration))
      if (!said.includes('done')) killed++
      await expectOnlyWholeBackups(test, known)
      if (round % 5 === 4) await expectToContinue(test, database)
    }
    expect(killed).toBe(15)
    await expectToContinue(test, database)
    await expectOnlyWholeBackups(test)
  })
})
