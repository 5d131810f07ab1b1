import { describe, expect, test } from 'vitest'
import type { JobEvent } from '../../src/job/events.ts'
import { progressLine, progressText } from '../../src/report/progress.ts'

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
