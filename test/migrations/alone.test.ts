/** A migration that commits by itself, ended by SIGKILL at every point, and gone on with. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DatabaseProcess } from '../../src/database/child-process.ts'
import type { Workspace } from '../../src/database/connection.ts'
import { fileUri } from '../../src/database/location.ts'
import { applyAlone } from '../../src/migrations/alone.ts'
import { ask, freshFolder, makeDatabase, modes } from '../support/folder.ts'
import { column, sqlRunnable } from './database.ts'

const script = `
  CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, what);
  INSERT INTO n SELECT id, what FROM orders;
  PRAGMA foreign_keys = OFF;
  BEGIN;
  DROP TABLE orders;
  ALTER TABLE n RENAME TO orders;
  COMMIT;
  VACUUM;
  UPDATE orders SET what = what || '!';
  CREATE INDEX orders_by_what ON orders (what);
  INSERT INTO log VALUES ('done');`

const made = `CREATE TABLE orders (id INTEGER PRIMARY KEY, what); INSERT INTO orders VALUES (1, 'a'), (2, 'b');
  CREATE TABLE log (line); CREATE TABLE progress (done); INSERT INTO progress VALUES (0)`

/** Runs it, and ends the process that holds the database before it is asked for the so-manieth time. @returns how often it was asked */
async function attempt(path: string, killAt = Number.POSITIVE_INFINITY): Promise<number> {
  const child = await DatabaseProcess.open({ location: fileUri(path) })
  onTestFinished(() => child.close())
  const [done] = await column(child, 'SELECT done FROM progress')
  let asked = 0
  const counted = async () => {
    if (++asked === killAt) await child.abandon()
  }
  const workspace: Workspace = {
    all: (sql, ...params) => counted().then(() => child.all(sql, ...params)),
    exec: sql => counted().then(() => child.exec(sql)),
    accesses: sql => counted().then(() => child.accesses(sql)),
    run: (statements, guard) => counted().then(() => child.run(statements, guard)),
    runScript: (call, guard) => counted().then(() => child.runScript(call, guard)),
    close: () => child.close(),
  }
  const options = {
    done: Number(done),
    record: (count: number) => workspace.exec(`UPDATE progress SET done = ${count}`),
    confirm: async () => {},
  }
  const ran = applyAlone(workspace, sqlRunnable(script, { inTransaction: false }), options)
  if (killAt === Number.POSITIVE_INFINITY) await ran
  else await expect(ran.then(() => 'ended')).rejects.toThrow('was ended')
  await child.close()
  return asked
}

const read = (path: string) =>
  ['SELECT sql FROM sqlite_schema ORDER BY name', 'SELECT * FROM orders', 'SELECT * FROM log'].map(sql =>
    ask(path, sql),
  )

/** Points that are tried: every second and every fifth, or all of them with TEST_EVERY_POINT=1. */
const cases = modes.map((mode, at) => [mode, process.env['TEST_EVERY_POINT'] === '1' ? 1 : [2, 5][at]!] as const)

describe.each(cases)('in %s mode', (mode, step) => {
  it('each statement takes effect exactly once, wherever it was killed', async () => {
    const folder = await freshFolder()
    const whole = makeDatabase(join(folder, 'whole.db'), mode, made)
    const asked = await attempt(whole)
    expect(asked).toBeGreaterThanOrEqual(30)
    for (let killAt = 1; killAt <= asked; killAt += step) {
      const path = makeDatabase(join(folder, `${killAt}.db`), mode, made)
      await attempt(path, killAt)
      await attempt(path)
      expect(read(path), `killed before it was asked for the ${killAt}th time`).toEqual(read(whole))
    }
  })
})
