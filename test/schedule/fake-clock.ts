/** A clock that a test sets: who sleeps wakes at once, so much later. */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../src/schedule/clock.ts'

export class FakeClock implements Clock {
  /** Aborted at the end of the time that is simulated. */
  readonly signal: AbortSignal
  readonly #end = new AbortController()
  readonly #until: number
  #time: number
  #before: (clock: FakeClock) => void

  /** @param before is called before each sleep, and may set the clock */
  constructor(from: string, until: string, before: (clock: FakeClock) => void = () => {}) {
    this.#time = Date.parse(from)
    this.#until = Date.parse(until)
    this.#before = before
    this.signal = this.#end.signal
  }

  now(): Date {
    return new Date(this.#time)
  }

  set(time: Date | string): void {
    this.#time = new Date(time).getTime()
  }

  pass(milliseconds: number): void {
    this.#time += milliseconds
    if (this.#time >= this.#until) this.#end.abort(new Error('the end of the simulation'))
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    await setImmediate()
    this.#before(this)
    signal.throwIfAborted()
    this.pass(milliseconds)
    signal.throwIfAborted()
  }
}
