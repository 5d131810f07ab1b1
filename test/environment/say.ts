/** Says what the test environment does while it does it, and how long each part took. */

/** Runs `work` with a line before it and, when it is done, one with the time. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  say(`${what} …`)
  const start = performance.now()
  const result = await work()
  say(`${what}: done (${seconds(start)})`)
  return result
}

export function say(sentence: string): void {
  console.log(`environment: ${sentence}`)
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
