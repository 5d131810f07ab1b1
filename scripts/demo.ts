/**
 * A deploy to watch: an application database with rows in it, one release behind, gets its pending migrations; then the
 * same deploy again, which finds nothing to do. Everything stays in `.demo/`, to be looked at.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { insertRows } from '../test/fixtures/fossawork/rows.ts'
import { build } from './build.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const folder = `${root}.demo`
const database = `${folder}/app.db`
const users = 20
const workOrders = 2000

say('Building')
await build()
await rm(folder, { recursive: true, force: true })
await mkdir(folder)

say(
  `Making the database of an application at v003: ${users} users, ${workOrders} work orders with full-text search, WAL mode`,
)
lockkeeper('run', '--to', 'v003_add_indexes', '--no-backup')
const db = new DatabaseSync(database)
db.exec('PRAGMA journal_mode = WAL')
insertRows(db, 'v003', { users, workOrders })
db.close()

say('The deploy job: lockkeeper run')
lockkeeper('run')

say('The same again: nothing to do')
lockkeeper('run')

say('What there is now: lockkeeper status, history, backups')
lockkeeper('status')
lockkeeper('history')
lockkeeper('backups')

console.log(`
To go on from here:
  export PATH=$PWD/node_modules/.bin:$PATH DATABASE_URL=.demo/app.db LOCKKEEPER_REPOSITORY=${pathToFileURL(`${folder}/backups`).href}
  rm .demo/app.db* && node dist/cli.js run          # an empty volume: refused
  node dist/cli.js restore --latest                 # and brought back`)

function lockkeeper(...args: string[]): void {
  console.log(`$ lockkeeper ${args.join(' ')}`)
  const env = {
    ...process.env,
    DATABASE_URL: database,
    LOCKKEEPER_MIGRATIONS: `${root}migrations`,
    LOCKKEEPER_REPOSITORY: pathToFileURL(`${folder}/backups`).href,
    LOCKKEEPER_LOG_FORMAT: 'pretty',
  }
  execFileSync(process.execPath, [`${root}dist/cli.js`, ...args], { stdio: 'inherit', env })
}

function say(what: string): void {
  console.log(`\n== ${what}`)
}
