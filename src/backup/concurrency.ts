/** Reading, hashing, compressing and transferring side by side, with a bounded number in flight. */

/** Bytes of plain chunks that are in flight at once: what bounds the memory, whatever the size of the database. */
const bytesInFlight = 8 * 1024 * 1024

/** How many chunks of this size may be in flight: 2 to 16; 8 of 1 MiB, which keep a disk busy and hide the latency of an object store. */
export function chunksInFlight(chunkSize: number): number {
  return Math.max(2, Math.min(16, Math.floor(bytesInFlight / chunkSize)))
}

/**
 * Applies `action` to each item, at most `most` at once, and yields the results in the order of the items. While the
 * consumer works on result i, no item from i + `most` on has been started. After a failure, or when the consumer stops,
 * it ends once those that run have ended.
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  most: number,
  action: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R, void> {
  const iterator = iteratorOf(items)
  const running: Promise<R>[] = []
  let index = 0
  let ended = false
  try {
    for (;;) {
      while (!ended && running.length < most) {
        const next = await iterator.next()
        if (next.done === true) ended = true
        else {
          const task = action(next.value, index++)
          // A failure is met when its turn comes, or not at all when the consumer stops before.
          task.catch(() => {})
          running.push(task)
        }
      }
      const [first] = running
      if (first === undefined) return
      yield await first
      running.shift()
    }
  } finally {
    await Promise.allSettled(running)
    await iterator.return?.()
  }
}

/** Applies `action` to each item, at most `most` at once, in any order. Rejects with the first failure, after those that run have ended. */
export async function forEach<T>(
  items: Iterable<T> | AsyncIterable<T>,
  most: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = iteratorOf(items)
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (failure === undefined) {
      try {
        const next = await iterator.next()
        if (next.done === true) return
        await action(next.value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: most }, worker))
  if (failure === undefined) return
  await iterator.return?.()
  throw failure.error
}

function iteratorOf<T>(items: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
}
