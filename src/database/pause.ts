/** Waiting between two attempts. */
/** Waits so many milliseconds; rejects with the signal's own reason as soon as that is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { setTimeout: delay } = await import('node:timers/promises')
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error
  }
}
