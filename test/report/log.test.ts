import { describe, expect, test } from 'vitest'
import type { JobEvent } from '../../src/job/events.ts'
import { jsonLines, type LineWriter, logListener, type Output, prettyLines } from '../../src/report/log.ts'
import { pinoLines } from '../../src/report/pino.ts'

type Writer = (output: Output) => LineWriter

function logged(writer: Writer, ...events: JobEvent[]): string[] {
  const lines: string[] = []
  const listener = logListener(writer({ write: text => lines.push(text) }))
  for (const event of events) listener(event)
  return lines
}

const step: JobEvent = { kind: 'step', step: 'backup', message: 'stored', milliseconds: 12.3456 }
const slow: JobEvent = { kind: 'step', step: 'migrate', message: 'v001', milliseconds: 2345 }
const warning: JobEvent = { kind: 'warning', step: 'validate', message: 'odd' }
const note: JobEvent = { kind: 'note', step: 'lock', message: 'waiting' }
const progress: JobEvent = { kind: 'progress', step: 'backup', done: 1, total: 2, unit: 'bytes' }

describe.each([
  ['by pino', pinoLines],
  ['without loading pino', jsonLines],
])('as JSON, %s', (_, writer) => {
  test('each event is a line with its level, time, step and message', () => {
    const lines = logged(writer, step, warning, note)
    for (const line of lines) expect(line.endsWith('\n')).toBe(true)
    const [first, second, third] = lines.map(line => JSON.parse(line))
    expect(first).toEqual({ level: 'info', time: expect.any(String), step: 'backup', ms: 12.3, msg: 'stored' })
    expect(new Date(first.time).toISOString()).toBe(first.time)
    expect(second).toEqual({ level: 'warn', time: expect.any(String), step: 'validate', msg: 'odd' })
    expect(third).toMatchObject({ level: 'info', step: 'lock', msg: 'waiting' })
  })

  test('a message of several lines is one line', () => {
    const [line = ''] = logged(writer, { kind: 'note', step: 'look', message: 'a\n"b"\n' })
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(JSON.parse(line).msg).toBe('a\n"b"\n')
  })

  test('progress is left out', () => {
    expect(logged(writer, progress)).toEqual([])
  })
})

test('both ways of writing JSON write the same', () => {
  const odd: JobEvent = { kind: 'note', step: 'look', message: 'ä "\\\u0001\u2028 \ud800 \n😀' }
  const withoutTime = (writer: Writer) =>
    logged(writer, step, slow, warning, note, odd, progress).map(line => line.replace(/"time":"[^"]*"/, '"time":""'))
  expect(withoutTime(jsonLines)).toEqual(withoutTime(pinoLines))
})

describe('for a person', () => {
  test('a step is a line with what it took, in columns', () => {
    const [fast, long] = logged(prettyLines, step, slow)
    expect(fast).toMatch(/^\d\d:\d\d:\d\d {2}backup {4}stored {2}\(12\.3 ms\)\n$/)
    expect(long).toMatch(/^\d\d:\d\d:\d\d {2}migrate {3}v001 {2}\(2\.\d\d s\)\n$/)
  })

  test('a warning says that it is one', () => {
    expect(logged(prettyLines, warning)).toEqual([expect.stringMatching(/ {2}validate {2}warning: odd\n$/)])
  })

  test('progress is left out', () => {
    expect(logged(prettyLines, progress)).toEqual([])
  })
})
