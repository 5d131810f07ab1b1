/**
 * Standard output and standard error, written to directly. Node's streams for them write a pipe just as synchronously on
 * Linux, and loading them takes a sixth of the time of a run with nothing to do.
 */
import { writeSync } from 'node:fs'
import { systemCode } from '../errors.ts'
import type { Output } from './log.ts'

export interface DirectOutput extends Output {
  /** Resolves once everything has been taken. */
  flushed(): Promise<void>
}

/** @param stream Node's own stream of it, for a pipe that takes no more at the moment and would not wait */
export function directOutput(descriptor: 1 | 2, stream: () => NodeJS.WritableStream): DirectOutput {
  let queue: NodeJS.WritableStream | undefined
  return {
    write(text) {
      if (queue !== undefined) {
        queue.write(text)
        return
      }
      const bytes = Buffer.from(text)
      let written = 0
      try {
        while (written < bytes.length) written += writeSync(descriptor, bytes, written)
      } catch (error) {
        // Whoever reads may stop reading (`| head`): no reason to leave a job half done.
        if (systemCode(error) !== 'EAGAIN') return
        queue = stream().on('error', () => {})
        queue.write(bytes.subarray(written))
      }
    },
    flushed: () =>
      new Promise(resolve => {
        if (queue === undefined) resolve()
        else queue.write('', () => resolve())
      }),
  }
}
