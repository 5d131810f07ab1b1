import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { age, contentOf, days, expectWhole, keysIn, pruneNow, versionsOf } from './pruning.ts'
import { backup, freshRepository } from './support.ts'

const program = fileURLToPath(new URL('./prune-process.ts', import.meta.url))

/** What it said: nothing, when it was killed. */
function run(root: string, call: string): Promise<string> {
  return new Promise(resolve => {
    execFile(process.execPath, [program, root, call], (_, stdout) => resolve(stdout))
  })
}

/** Of the calls; all of them with `LOCKKEEPER_SWEEP=all`. */
const step = process.env['LOCKKEEPER_SWEEP'] === 'all' ? 1 : 4

it('a prune that is killed before any single call of the store leaves whole backups, and the next ones finish its work', {
  timeout: 300_000,
}, async () => {
  const test = await freshRepository()
  const versions = versionsOf(test, 4)
  for (const path of versions.slice(0, 3)) await backup(test, path)
  // So that it has all to do: backups to remove, and chunks to delete.
  await pruneNow(test)
  for (const path of versions.slice(1)) await backup(test, path)
  const copyOf = async (name: string) => {
    const root = test.path(name)
    await cp(test.root, root, { recursive: true, preserveTimestamps: true })
    return { root, path: (file: string) => join(test.folder, `${name}-${file}`) }
  }
  const calls = Number(/done (\d+)/.exec(await run((await copyOf('measured')).root, 'never'))?.[1])
  expect(calls).toBeGreaterThan(30)
  for (let call = 0; call < calls; call += step) {
    const copy = await copyOf(`call-${call}`)
    expect(await run(copy.root, String(call))).toBe('')
    const store = fileStore(copy.root)
    const left = { ...copy, repository: await openRepository(store, { databaseName: 'app', create: false }) }
    const ids = await expectWhole(left)
    expect(ids.length).toBeGreaterThan(0)
    expect(ids.at(-1)).toMatch(/^00000006-/)
    // It is dead, so what it announced is removed in the end.
    age(left, keysIn(left.root, 'intents/'), 4 * days)
    for (let round = 0; round < 3; round++) await pruneNow(left)
    expect(contentOf(left)).toHaveLength(7)
    expect(await expectWhole(left)).toHaveLength(1)
  }
})
