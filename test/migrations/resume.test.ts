import { describe, expect, it } from 'vitest'
import type { Script } from '../../src/migrations/model.ts'
import type { Progress } from '../../src/migrations/progress.ts'
import { donePart, prefixesOf, refuseOtherBeginning } from '../../src/migrations/resume.ts'

const script = (sql: string) => ({ kind: 'sql', sql, line: 1 }) as const
const module: Script = { kind: 'module', call: { url: 'file:///v1.js', function: 'up' } }

function stopped(of: Script, done: number): Progress {
  const begun = { direction: 'up', begunAt: '2026-11-23T08:00:00.000Z', rows: {}, counters: {}, sound: true } as const
  return { ...begun, backup: 'B1', done, prefix: prefixesOf(of)(done) }
}

describe('a migration that was stopped', () => {
  const before = stopped(
    script('CREATE TABLE t(a); -- one\nINSERT INTO t VALUES (1);\nINSERT INTO nowhere VALUES (2);'),
    2,
  )

  it.each([
    ['as it was', 'CREATE TABLE t(a); INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (2);'],
    ['mended behind where it stopped', 'CREATE TABLE t(a);\n\nINSERT INTO t VALUES (1); INSERT INTO t VALUES (2);'],
    ['with nothing more to do', '-- shorter\nCREATE TABLE t(a); INSERT INTO t VALUES (1);'],
  ])('goes on %s', (_, sql) => {
    expect(() => refuseOtherBeginning('v1', script(sql), before)).not.toThrow()
  })

  it.each([
    ['changed', 'CREATE TABLE t(a); INSERT INTO t VALUES (3); INSERT INTO t VALUES (2);'],
    ['gone', 'INSERT INTO t VALUES (1);'],
    ['preceded by another one', 'SELECT 1; CREATE TABLE t(a); INSERT INTO t VALUES (1);'],
  ])('does not where a statement that has run is %s', (_, sql) => {
    expect(() => refuseOtherBeginning('v1', script(sql), before)).toThrow(
      expect.objectContaining({ code: 'invalid', hint: expect.stringContaining('lockkeeper restore --id B1') }),
    )
  })

  it('before its first statement can be anything, and so can a module', () => {
    expect(() => refuseOtherBeginning('v1', script('SELECT 1'), stopped(script('SELECT 2'), 0))).not.toThrow()
    expect(() => refuseOtherBeginning('v1', module, stopped(module, 0))).not.toThrow()
    expect(() => refuseOtherBeginning('v1', module, before)).toThrow()
  })
})

it('the part of a script that has run ends behind its last statement', () => {
  const text = script("SELECT ';'; -- a;\nSELECT 2 ;\nSELECT 3")
  expect([0, 1, 2, 3, 4].map(done => donePart(text, done))).toMatchObject([
    { sql: '' },
    { sql: "SELECT ';';" },
    { sql: "SELECT ';'; -- a;\nSELECT 2 ;" },
    text,
    text,
  ])
})
