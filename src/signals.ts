/**
 * Hears SIGINT and SIGTERM from the first moment. As process 1 of a container a program without a handler ignores them,
 * and loading the rest takes a tenth of a second: so this is what the command line imports first.
 */
import { exitCodes } from './errors.ts'

/** What a stop is called, by the signal that asks for it. */
export const stops = { SIGINT: 'interrupted', SIGTERM: 'terminated' } as const
export type StopSignal = keyof typeof stops

/** Before anything has begun there is nothing to let go of. */
let listener = (signal: StopSignal): void => process.exit(exitCodes[stops[signal]].exit)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => listener(signal))

/** From now on this is called instead of ending the process. */
export function onStop(stop: (signal: StopSignal) => void): void {
  listener = stop
}
