/**
 * Loaded into the program by `node --import`, so that days pass in seconds: its clock begins where the environment says,
 * and a sleep of a second or more is over at once, with the clock so much later. `SIMULATED_CLOCK` names the file that
 * always has the time, for whoever goes on after this process.
 */
import { writeFileSync } from 'node:fs'
import timers from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'

const { SIMULATED_CLOCK: file = '', SIMULATED_FROM, SIMULATED_KILL, SIMULATED_UNTIL } = process.env
const shortest = 1000

if (isMainThread && process.argv[1]?.endsWith('cli.js') && SIMULATED_FROM !== undefined) {
  const moment = (text: string | undefined) => (text === undefined ? Number.POSITIVE_INFINITY : Date.parse(text))
  const [until, kill] = [moment(SIMULATED_UNTIL), moment(SIMULATED_KILL)]
  const RealDate = Date
  const started = performance.now()
  let slept = 0
  const now = () => Math.floor(RealDate.parse(SIMULATED_FROM) + slept + performance.now() - started)
  globalThis.Date = class extends RealDate {
    constructor(...args: []) {
      if (args.length === 0) super(now())
      else super(...args)
    }

    static override now = now
  } as DateConstructor

  const realSleep = timers.setTimeout
  timers.setTimeout = async (milliseconds = 0, value, options) => {
    if (milliseconds < shortest) return realSleep(milliseconds, value, options)
    options?.signal?.throwIfAborted()
    slept += milliseconds
    writeFileSync(file, new RealDate(now()).toISOString())
    if (now() >= kill) process.kill(process.pid, 'SIGKILL')
    if (now() >= until) process.kill(process.pid, 'SIGTERM')
    return realSleep(now() >= Math.min(until, kill) ? 60_000 : 0, value, options)
  }
}
