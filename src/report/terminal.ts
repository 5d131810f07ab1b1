/** Questions to a person at a terminal. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Output } from './log.ts'

/**
 * Reads nothing before the first question. An answer comes without white space around it, and is undefined when there is
 * none, for the input has ended. Line editing and Ctrl-C are left to the terminal itself.
 */
export function terminalOf(input: Readable, output: Output) {
  let lines: AsyncIterator<string> | undefined
  return {
    show: (text: string) => output.write(`${text}\n`),
    ask: async (question: string): Promise<string | undefined> => {
      lines ??= createInterface({ input, terminal: false })[Symbol.asyncIterator]()
      output.write(question)
      const { done, value } = await lines.next()
      return done === true ? undefined : value.trim()
    },
  }
}
