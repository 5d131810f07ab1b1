import { describe, expect, test } from 'vitest'
import { type ErrorCode, exitCodes, explainSystemError, LockkeeperError, messageOf, systemCode } from '../src/errors.ts'

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it did not work`), { code })
}

describe('the table of exit codes', () => {
  test('has the numbers on which scripts rely', () => {
    expect(Object.fromEntries(Object.entries(exitCodes).map(([name, { exit }]) => [name, exit]))).toEqual({
      ok: 0,
      failed: 1,
      usage: 64,
      invalid: 65,
      missing: 66,
      storage: 69,
      internal: 70,
      io: 74,
      busy: 75,
      newer: 76,
      denied: 77,
      config: 78,
      interrupted: 130,
      terminated: 143,
    })
  })

  test('gives every code a number of its own and a sentence', () => {
    const entries = Object.values(exitCodes)
    expect(new Set(entries.map(({ exit }) => exit)).size).toBe(entries.length)
    for (const { when } of entries) expect(when).toMatch(/^\w.*[^.]$/)
  })
})

describe('a LockkeeperError', () => {
  test('has its code, the exit code of the table, a hint, details and its cause', () => {
    const cause = new Error('deep down')
    const error = new LockkeeperError('busy', 'in use', { hint: 'Wait.', cause, details: { path: '/data/app.db' } })
    expect(error).toMatchObject({
      name: 'LockkeeperError',
      code: 'busy',
      exitCode: 75,
      message: 'in use',
      hint: 'Wait.',
    })
    expect(error.details).toEqual({ path: '/data/app.db' })
    expect(error.cause).toBe(cause)
    expect(error).toBeInstanceOf(Error)
  })

  test('needs none but the code and the message', () => {
    const error = new LockkeeperError('io', 'no')
    expect(error).toMatchObject({ hint: undefined, details: {}, exitCode: 74 })
    expect('cause' in error).toBe(false)
  })
})

describe('a system error', () => {
  const explained: readonly [string, ErrorCode][] = [
    ['ENOENT', 'missing'],
    ['ENOTDIR', 'missing'],
    ['ENOSPC', 'io'],
    ['EDQUOT', 'io'],
    ['EIO', 'io'],
    ['EFBIG', 'io'],
    ['EACCES', 'denied'],
    ['EPERM', 'denied'],
    ['EROFS', 'denied'],
    ['ENAMETOOLONG', 'config'],
  ]
  test.each(explained)('%s is %s, with what was being done', (code, expected) => {
    const error = systemError(code)
    const result = explainSystemError(error, 'cannot read the moon', 'Look up.')
    expect(result).toBeInstanceOf(LockkeeperError)
    expect(result).toMatchObject({
      code: expected,
      message: `cannot read the moon: ${error.message}`,
      hint: 'Look up.',
      cause: error,
    })
  })

  test.each(explained)('%s has a hint also where none was given', code => {
    expect(explainSystemError(systemError(code), 'cannot read the moon')).toMatchObject({
      hint: expect.stringMatching(/\.|\?/),
    })
  })

  test('of another kind, and anything else, stays what it is', () => {
    for (const other of [systemError('EWHATEVER'), new TypeError('bug'), 'text', undefined])
      expect(explainSystemError(other, 'trying')).toBe(other)
  })

  test('that is explained already is not explained again', () => {
    const error = new LockkeeperError('busy', 'in use')
    expect(explainSystemError(error, 'trying')).toBe(error)
  })
})

test('messageOf and systemCode take anything that was thrown', () => {
  expect([new Error('a'), 'b', 3, null, undefined].map(messageOf)).toEqual(['a', 'b', '3', 'null', 'undefined'])
  expect([systemError('EIO'), new Error('a'), 'EIO', { code: 'EIO' }].map(systemCode)).toEqual([
    'EIO',
    undefined,
    undefined,
    undefined,
  ])
  expect(systemCode(Object.assign(new Error('a'), { code: 5 }))).toBeUndefined()
})
