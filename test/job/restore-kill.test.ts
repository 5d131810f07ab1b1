/** A restore that is killed at any moment, with native programs beside it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { restore } from '../../src/job/restore.ts'
import { backUpIn, jobOptions } from '../support/jobs.ts'
import { Peer } from '../support/peer.ts'
import { journalModeOf, newPlace, type Workplace } from '../support/workplace.ts'

const program = fileURLToPath(new URL('restore-process.ts', import.meta.url))
/** Kills of each kind; the suite takes a sample. */
const kills = Number(process.env['LOCKKEEPER_TEST_KILLS'] ?? 5)
const oldRows = 8000
const newRows = 9000

function make(path: string, mode: string, pageSize: number, name: string, rows: number): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = ${mode}; CREATE TABLE ${name} (n, b);
    WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${rows}) INSERT INTO ${name} SELECT i, randomblob(200) FROM c`)
  db.close()
}

/** Kills a restore so many milliseconds after it has the lock; `done` where it was done before. */
async function killed(place: Workplace, id: string, delay: number): Promise<string> {
  const args = [program, place.database, place.env['LOCKKEEPER_REPOSITORY']!, place.folder, id]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let said = ''
  let armed = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    if (armed || !said.includes('lock\n')) return
    armed = true
    void after(delay).then(() => child.kill('SIGKILL'))
  })
  await closed
  return said
}

/** Which content it is, asked by another program; anything else fails the test. */
async function contentOf(path: string): Promise<'old' | 'new'> {
  const peer = await Peer.open(path, { timeout: 10 })
  expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
  const [[name] = []] = await peer.run("SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'")
  expect(['old', 'new']).toContain(name)
  expect(await peer.run(`SELECT count(*), sum(n) FROM ${name}`)).toEqual([
    name === 'old' ? [oldRows, (oldRows * (oldRows + 1)) / 2] : [newRows, (newRows * (newRows + 1)) / 2],
  ])
  await peer.close()
  return name as 'old' | 'new'
}

const cases = [
  ['DELETE', 4096, 4096],
  ['DELETE', 4096, 1024],
  ['WAL', 4096, 4096],
  ['WAL', 4096, 8192],
] as const

describe.each(cases)('in %s mode, from pages of %i to pages of %i bytes', (mode, pageSize, otherSize) => {
  test('a restore that is killed leaves the old or the new, in the mode that it was in, and the next one succeeds', {
    timeout: 600_000,
  }, async () => {
    const place = newPlace()
    make(place.database, 'DELETE', otherSize, 'new', newRows)
    const { id } = await backUpIn(place)
    make(place.database, mode, pageSize, 'old', oldRows)
    const original = join(place.folder, 'original.db')
    copyFileSync(place.database, original)
    const measure = performance.now()
    await killed(place, id, 60_000).catch(() => {})
    const whole = performance.now() - measure
    const seen: string[] = []
    for (let kill = 0; kill < kills; kill++) {
      for (const suffix of ['-wal', '-shm', '-journal']) rmSync(place.database + suffix, { force: true })
      copyFileSync(original, place.database)
      const visitor = await Peer.open(place.database)
      const visiting = await visitor.visit(place.database, 'SELECT count(*) FROM sqlite_schema')
      const idle = mode === 'DELETE' ? await Peer.open(place.database, { timeout: 10 }) : undefined
      await idle?.run('SELECT count(*) FROM old')
      const said = await killed(place, id, (whole * 0.7 * kill) / kills)
      const { messages } = await visiting.stop()
      expect(messages.filter(message => message !== 'database is locked')).toEqual([])
      await visitor.close()
      const content = await contentOf(place.database)
      if (said.includes('done')) expect(content).toBe('new')
      seen.push(content)
      if (idle !== undefined) {
        expect(await idle.run(`SELECT count(*) FROM ${content}`)).toEqual([[content === 'old' ? oldRows : newRows]])
        await idle.run(`INSERT INTO ${content} VALUES (0, NULL)`, `DELETE FROM ${content} WHERE n = 0`)
        await idle.close()
        expect(await contentOf(place.database)).toBe(content)
      }
      expect(journalModeOf(place.database)).toBe(mode === 'WAL' ? 'wal' : 'rollback')
      await restore({ ...jobOptions(place), selection: { id } })
      expect(await contentOf(place.database)).toBe('new')
      expect(readdirSync(place.volume)).toEqual(['app.db'])
    }
    expect(new Set(seen)).toContain('old')
  })
})

test.each(['DELETE', 'WAL'])(
  'what others wrote until the lock is in the backup before it, to the last row, in %s mode',
  async mode => {
    const place = newPlace()
    make(place.database, 'DELETE', 4096, 'new', newRows)
    const { id } = await backUpIn(place)
    make(place.database, mode, 4096, 'old', oldRows)
    const writer = await Peer.open(place.database)
    const writing = await writer.visit(place.database, 'INSERT INTO old VALUES (0, NULL)')
    const { safety } = await restore({ ...jobOptions(place), selection: { id } })
    const { done } = await writing.stop()
    expect(done).toBeGreaterThan(0)
    expect(await contentOf(place.database)).toBe('new')
    await restore({ ...jobOptions(place), selection: { id: safety! } })
    const db = new DatabaseSync(place.database)
    expect(db.prepare('SELECT count(*) AS rows FROM old WHERE n = 0').get()).toEqual({ rows: done })
    db.close()
  },
)
