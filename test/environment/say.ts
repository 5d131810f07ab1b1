/** Says what the test environment does while it does it, and how long each part took. */

/** Runs `work` with a line before it and one with the time after it, which says how it ended: done, unless `how` knows better. */
export async function step<T>(what: string, work: () => Promise<T>, how?: (result: T) => string): Promise<T> {
  say(`${what} …`)
  const start = performance.now()
  const result = await work()
  say(`${what}: ${how?.(result) ?? 'done'} (${seconds(start)})`)
  return result
}

export function say(sentence: string): void {
  console.log(`environment: ${sentence}`)
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
