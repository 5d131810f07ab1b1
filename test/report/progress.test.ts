import { describe, expect, test } from 'vitest'
import type { JobEvent } from '../../src/job/events.ts'
import { progressLine, progressNotes, progressText } from '../../src/report/progress.ts'

type Progress = Extract<JobEvent, { kind: 'progress' }>

const bytes = (done: number, step: Progress['step'] = 'backup'): Progress => ({
  kind: 'progress',
  step,
  done,
  total: 1000 * 2 ** 20,
  unit: 'bytes',
})

describe('the text', () => {
  test('has how much of how much, how fast, and how long it will take', () => {
    expect(progressText(bytes(250 * 2 ** 20), 5000)).toBe('backup    250 MiB of 1000 MiB, 50.0 MiB/s, 15.0 s left')
  })

  test('counts what is not bytes', () => {
    expect(progressText({ kind: 'progress', step: 'migrate', done: 1, total: 4, unit: 'migrations' }, 2000)).toBe(
      'migrate   1 of 4 migrations, 6.0 s left',
    )
  })

  test('does not know how long before anything is done', () => {
    expect(progressText(bytes(0), 1500)).not.toContain('left')
  })
})

describe('the line', () => {
  /** Lets time pass as told, without waiting for it. */
  function shown(events: readonly (readonly [number, JobEvent])[]): { written: string[]; passed: JobEvent[] } {
    const written: string[] = []
    const passed: JobEvent[] = []
    let now = 0
    const listener = progressLine(
      { write: text => written.push(text) },
      event => passed.push(event),
      () => now,
    )
    for (const [at, event] of events) {
      now = at
      listener(event)
    }
    return { written, passed }
  }

  const done: JobEvent = { kind: 'step', step: 'backup', message: 'stored', milliseconds: 1 }

  test('appears only for what takes longer than a second, and not more than ten times in one', () => {
    const { written } = shown([
      [100, bytes(1)],
      [900, bytes(2)],
      [1200, bytes(3)],
      [1250, bytes(4)],
      [1290, bytes(5)],
      [1310, bytes(6)],
    ])
    expect(written).toHaveLength(2)
    for (const text of written) expect(text).toMatch(/^\r\u001b\[K\S/)
  })

  test('is wiped before anything else is written, and everything else is passed on', () => {
    const { written, passed } = shown([
      [100, bytes(1)],
      [2000, bytes(2)],
      [2100, done],
    ])
    expect(written.at(-1)).toBe('\r\u001b[K')
    expect(passed).toEqual([done])
  })

  test('leaves nothing where it never appeared', () => {
    expect(
      shown([
        [100, bytes(1)],
        [200, done],
      ]),
    ).toEqual({ written: [], passed: [done] })
  })

  test('begins anew with the next step', () => {
    const { written } = shown([
      [0.5, bytes(1)],
      [1500, bytes(2)],
      [1600, done],
      [1700, bytes(1, 'restore')],
      [1900, bytes(2, 'restore')],
    ])
    expect(written).toHaveLength(2)
  })
})

describe('where there is no terminal', () => {
  test('a note says the same every five seconds, and begins anew with the next step', () => {
    const passed: JobEvent[] = []
    let now = 0
    const listener = progressNotes(
      event => passed.push(event),
      () => now,
    )
    const done: JobEvent = { kind: 'step', step: 'backup', message: 'stored', milliseconds: 1 }
    const mebibytes = (count: number, step?: Progress['step']) => bytes(count * 2 ** 20, step)
    for (const [at, event] of [
      [0, mebibytes(0)],
      [4900, mebibytes(240)],
      [5000, mebibytes(250)],
      [9000, mebibytes(400)],
      [10_000, mebibytes(500)],
      [12_000, done],
      [13_000, mebibytes(1, 'restore')],
      [17_000, mebibytes(200, 'restore')],
      [18_000, mebibytes(500, 'restore')],
    ] as const) {
      now = at
      listener(event)
    }
    expect(passed).toEqual([
      { kind: 'note', step: 'backup', message: '250 MiB of 1000 MiB, 50.0 MiB/s, 15.0 s left' },
      { kind: 'note', step: 'backup', message: '500 MiB of 1000 MiB, 50.0 MiB/s, 10.0 s left' },
      done,
      { kind: 'note', step: 'restore', message: '500 MiB of 1000 MiB, 100 MiB/s, 5.0 s left' },
    ])
  })
})
