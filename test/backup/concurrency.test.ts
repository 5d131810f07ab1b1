import { describe, expect, it } from 'vitest'
import { chunksInFlight, forEach, inOrder } from '../../src/backup/concurrency.ts'

/** Actions that end when they are told to. */
function manual() {
  const running = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  let most = 0
  const action = (item: number) =>
    new Promise<number>((resolve, reject) => {
      const end = (settle: () => void) => () => {
        running.delete(item)
        settle()
      }
      running.set(item, { resolve: end(() => resolve(item)), reject: error => end(() => reject(error))() })
      most = Math.max(most, running.size)
    })
  return { running, action, most: () => most }
}

const settled = () => new Promise<void>(resolve => setImmediate(resolve))

describe('chunks in flight', () => {
  it('are fewer the larger they are, and at least two', () => {
    expect([4096, 1 << 20, 1 << 22, 1 << 24].map(chunksInFlight)).toEqual([16, 8, 2, 2])
  })
})

describe('inOrder', () => {
  it('gives results in the order of the items, whichever ends first', async () => {
    const { running, action } = manual()
    const results = Array.fromAsync(inOrder([1, 2, 3], 3, action))
    await settled()
    for (const item of [3, 1, 2]) running.get(item)?.resolve()
    expect(await results).toEqual([1, 2, 3])
  })

  it('starts no item before the result that many places before it has been consumed', async () => {
    const started: number[] = []
    const consumed: number[] = []
    const results = inOrder([0, 1, 2, 3, 4, 5, 6], 3, async item => {
      started.push(item)
      expect(item - 3).toBeLessThanOrEqual(consumed.length - 1)
      return item
    })
    for await (const item of results) {
      await settled()
      expect(started.length).toBeLessThanOrEqual(item + 3)
      consumed.push(item)
    }
    expect(consumed).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('takes items that come one after another', async () => {
    async function* items() {
      for (const item of [1, 2, 3]) {
        await settled()
        yield item
      }
    }
    expect(await Array.fromAsync(inOrder(items(), 2, async item => item * 10))).toEqual([10, 20, 30])
  })

  it('rejects when the turn of a failure comes, after those that run have ended', async () => {
    const { running, action } = manual()
    const got: number[] = []
    let over = false
    const consume = (async () => {
      for await (const item of inOrder([1, 2, 3, 4], 3, action)) got.push(item)
    })()
      .catch(error => error)
      .finally(() => {
        over = true
      })
    await settled()
    running.get(2)?.reject(new Error('two'))
    running.get(1)?.resolve()
    await settled()
    expect(over).toBe(false)
    for (const end of running.values()) end.resolve()
    expect(await consume).toEqual(new Error('two'))
    expect(got).toEqual([1])
  })

  it('lets go of the items when the consumer stops', async () => {
    let closed = false
    function* items() {
      try {
        yield* [1, 2, 3, 4, 5]
      } finally {
        closed = true
      }
    }
    for await (const item of inOrder(items(), 2, async item => item)) if (item === 2) break
    expect(closed).toBe(true)
  })
})

describe('forEach', () => {
  it('runs so many at once, and all of them', async () => {
    const { running, action, most } = manual()
    const done = forEach([1, 2, 3, 4, 5], 2, async item => void (await action(item)))
    for (let round = 0; round < 5; round++) {
      await settled()
      running.values().next().value?.resolve()
    }
    await done
    expect(most()).toBe(2)
  })

  it('rejects with the first failure, starts nothing after it, and waits for what runs', async () => {
    const { running, action } = manual()
    const seen: number[] = []
    const done = forEach([1, 2, 3, 4], 2, async item => {
      seen.push(item)
      await action(item)
    }).catch(error => error)
    await settled()
    running.get(1)?.reject(new Error('one'))
    await settled()
    running.get(2)?.reject(new Error('two'))
    expect(await done).toEqual(new Error('one'))
    expect(seen).toEqual([1, 2])
  })

  it('rejects when the items do', async () => {
    async function* items() {
      yield 1
      throw new Error('no more')
    }
    await expect(forEach(items(), 3, async () => {})).rejects.toThrow('no more')
  })
})
