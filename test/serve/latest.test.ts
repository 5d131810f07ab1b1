/** However often somebody asks, what costs something is got once, and given again for a while. */
import { expect, test } from 'vitest'
import { Latest } from '../../src/serve/latest.ts'

const forever = 1e9

test('whoever asks while it is being got waits for the same value', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  let asked = 0
  const latest = new Latest(() => {
    asked++
    return promise
  }, 0)
  const answers = [latest.get(), latest.get(), latest.get()]
  resolve('the value')
  expect(await Promise.all(answers)).toEqual(['the value', 'the value', 'the value'])
  expect(asked).toBe(1)
})

test('it is given again for a while, and then got anew', async () => {
  let asked = 0
  const kept = new Latest(async () => ++asked, forever)
  expect([await kept.get(), await kept.get()]).toEqual([1, 1])
  const fleeting = new Latest(async () => ++asked, 0)
  expect(await fleeting.get()).toBe(2)
  await expect.poll(() => fleeting.get()).toBe(3)
})

test('where it takes long to get it, the one before is given', async () => {
  const turns = [Promise.withResolvers<number>(), Promise.withResolvers<number>()]
  let asked = 0
  const latest = new Latest(() => turns[asked++]?.promise ?? Promise.reject(new Error('once too often')), 0)
  expect(await latest.soon(1)).toBeUndefined()
  turns[0]?.resolve(1)
  expect(await latest.get()).toBe(1)
  const askAgain = () => {
    void latest.soon(1)
    return asked
  }
  await expect.poll(askAgain).toBe(2)
  expect(await latest.soon(1)).toBe(1)
  turns[1]?.reject(new Error('no more'))
  expect(await latest.soon(1_000)).toBeUndefined()
})

test('that it cannot be had is given again as well, and is not for ever', async () => {
  let asked = 0
  const get = async () => {
    asked++
    throw new Error(`refused ${asked}`)
  }
  const kept = new Latest(get, forever)
  await expect(kept.get()).rejects.toThrow('refused 1')
  await expect(kept.get()).rejects.toThrow('refused 1')
  const fleeting = new Latest(get, 0)
  await expect(fleeting.get()).rejects.toThrow('refused 2')
  await expect.poll(() => fleeting.get().catch(error => error.message)).toBe('refused 3')
})

test('what could not be had after a long time is asked for again soon', async () => {
  let asked = 0
  const latest = new Latest(() => {
    asked++
    return new Promise((_, reject) => setTimeout(() => reject(new Error('gone')), 500))
  }, 0)
  await expect(latest.get()).rejects.toThrow('gone')
  const askAgain = () => {
    latest.get().catch(() => {})
    return asked
  }
  // Ten times as long would be 5 seconds.
  await expect.poll(askAgain, { timeout: 4_000 }).toBe(2)
})
