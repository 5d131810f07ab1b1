import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { hold } from './holding.ts'
import { takeName, withMachineLock } from './machine-lock.ts'

const name = () => `test/${randomUUID()}`

test('one process at a time holds a lock; another one waits, and says for whom when that takes too long', async () => {
  const which = name()
  const other = await hold('lock', which)
  const late = withMachineLock(which, async () => 'in', 300)
  await expect(late).rejects.toThrow(`Another test run has been busy with ${which} for 0.3 s`)
  const waiting = withMachineLock(which, async () => 'in')
  await other.release()
  expect(await waiting).toBe('in')
})

test('a lock is free the moment the process that held it is killed', async () => {
  const which = name()
  const other = await hold('lock', which)
  expect(await takeName(which)).toBeUndefined()
  await other.kill()
  expect(await withMachineLock(which, async () => 'in', 0)).toBe('in')
})

test('in one process, too, work under a lock does not overlap, and a lock is free after work that failed', async () => {
  const which = name()
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await new Promise(setImmediate)
    inside--
  }
  await Promise.all([withMachineLock(which, work), withMachineLock(which, work), withMachineLock(which, work)])
  expect(most).toBe(1)
  await expect(withMachineLock(which, async () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withMachineLock(which, async () => 'in', 0)).toBe('in')
})

test('locks of different names have nothing to do with each other', async () => {
  await hold('lock', name())
  expect(await withMachineLock(name(), async () => 'in', 0)).toBe('in')
})
