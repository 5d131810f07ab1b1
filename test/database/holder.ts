/**
 * A program of its own that uses the database room, to be stopped and killed or run as another user.
 * `node holder.ts <what> <path>`; it answers in lines of JSON on standard output, the first one with the child's pid.
 */
import { stat } from 'node:fs/promises'
import { openExclusive } from '../../src/database/exclusive.ts'
import { viewDatabase } from '../../src/database/view.ts'
import { LockkeeperError } from '../../src/errors.ts'

const [what, path] = process.argv.slice(2) as [string, string]
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
const take = () => openExclusive(path, { lockTimeout: 0, create: true })

const roles: Record<string, () => Promise<void>> = {
  /** Holds the database, with a change that is not committed. */
  async hold() {
    const db = await take()
    await db.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (-1)')
    say(db.pid)
    setInterval(() => {}, 1000)
  },

  /** Is inside one statement for as long as the disk has room; says so once that has written to the disk. */
  async 'long-statement'() {
    const db = await take()
    await db.exec('PRAGMA cache_size = 10; BEGIN IMMEDIATE')
    const endless = 'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) INSERT INTO t SELECT -i FROM c'
    void db.exec(`${endless}; COMMIT`)
    while ((await written()) < 4 * 1024 * 1024);
    say(db.pid)
  },

  /** Stops itself with everything done but the word to commit; says when it has committed. */
  async 'before-commit'() {
    const db = await take()
    await db.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (-1)')
    say(db.pid)
    process.kill(process.pid, 'SIGSTOP')
    await db.exec('COMMIT')
    say('committed')
    await db.close()
  },

  async take() {
    const db = await take()
    say(await db.all('SELECT count(*) AS rows FROM t'))
    await db.close()
  },

  async view() {
    const viewed = await viewDatabase(path, db => db.all('SELECT count(*) AS rows FROM t'))
    say('value' in viewed ? viewed.value : viewed.presence)
  },
}

async function written(): Promise<number> {
  const sizes = await Promise.all(
    [path, `${path}-wal`].map(file =>
      stat(file)
        .then(info => info.size)
        .catch(() => 0),
    ),
  )
  return Math.max(...sizes)
}

try {
  await roles[what]?.()
} catch (error) {
  if (!(error instanceof LockkeeperError)) throw error
  const { code, message, hint, details } = error
  say({ code, message, hint, details })
}
