/** Bounded concurrency: so many at a time, the others wait their turn. */

/** Returns a function that runs what it is given, at most `most` of them at once, in the order in which they came. */
export function limit(most: number): <T>(action: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async action => {
    if (running >= most) await new Promise<void>(go => waiting.push(go))
    else running++
    try {
      return await action()
    } finally {
      // A turn is handed on, not given back, so that nobody who comes later overtakes who waits.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}

/** Runs `action` on every item, at most `most` at once. Waits for all of them, then rejects with the first failure. */
export async function forEachLimited<T>(
  items: Iterable<T>,
  most: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const failures: unknown[] = []
  const worker = async () => {
    while (failures.length === 0) {
      const { done, value } = iterator.next()
      if (done) return
      try {
        await action(value)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: most }, worker))
  if (failures.length > 0) throw failures[0]
}
