import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { SqliteError } from '../../src/database/connection.ts'
import { explainOpening, explainSqliteError, isBusy } from '../../src/database/explain.ts'
import { fileUri } from '../../src/database/location.ts'
import { toSqliteError } from '../../src/database/native.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { database, freshFolder } from '../support/folder.ts'

function refusal(work: () => void): SqliteError {
  try {
    work()
  } catch (error) {
    return toSqliteError(error) as SqliteError
  }
  throw new Error('it worked')
}

describe('what SQLite says', () => {
  it.each([
    [5, 'busy', 75],
    [261, 'busy', 75],
    [517, 'busy', 75],
    [6, 'busy', 75],
    [15, 'busy', 75],
    [3, 'denied', 77],
    [8, 'denied', 77],
    [1544, 'denied', 77],
    [14, 'denied', 77],
    [10, 'io', 74],
    [778, 'io', 74],
    [13, 'io', 74],
    [11, 'invalid', 65],
    [26, 'invalid', 65],
  ] as const)('with its code %i ends a job as %s', (errcode, code, exitCode) => {
    const error = new SqliteError('what it said', errcode)
    const explained = explainSqliteError(error, 'cannot do it')
    expect(explained).toBeInstanceOf(LockkeeperError)
    expect(explained).toMatchObject({
      code,
      exitCode,
      message: 'cannot do it: what it said',
      hint: expect.stringMatching(/\.$/),
      cause: error,
      details: { sqlite: errcode },
    })
    expect(isBusy(error)).toBe(code === 'busy')
  })

  it('of a statement, and what is no error of SQLite, stays what it is', () => {
    for (const error of [
      new SqliteError('no such table: t', 1),
      new SqliteError('UNIQUE', 2067),
      new TypeError('x'),
      'text',
      null,
    ]) {
      expect(explainSqliteError(error, 'cannot do it')).toBe(error)
      expect(isBusy(error)).toBe(false)
    }
  })

  it('when it cannot open a file tells what is not there', async () => {
    const folder = await freshFolder()
    for (const [file, missing] of [
      [join(folder, 'app.db'), join(folder, 'app.db')],
      [join(folder, 'volume', 'app.db'), join(folder, 'volume')],
    ] as const) {
      const error = refusal(() => new DatabaseSync(fileUri(file, { mode: 'rw' })))
      expect(await explainOpening(error, 'cannot take it', file)).toMatchObject({
        code: 'missing',
        message: `cannot take it: ${missing} is not there`,
        hint: expect.stringContaining('mounted'),
      })
    }
    const there = await database('rollback')
    expect(await explainOpening(new SqliteError('unable to open', 14), 'cannot', there)).toMatchObject({
      code: 'denied',
    })
    expect(await explainOpening(new SqliteError('database is locked', 5), 'cannot', there)).toMatchObject({
      code: 'busy',
    })
  })
})
