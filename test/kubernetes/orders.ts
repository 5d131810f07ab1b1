/** Looks into the small application of the examples, from inside its container. */
import type { Example } from './example.ts'

/** The newest migration that is applied; nothing while the application cannot be asked. */
export async function levelOf(example: Example): Promise<string> {
  const query = `SELECT version AS value FROM schema_migrations WHERE status = 'applied' ORDER BY version DESC LIMIT 1`
  return (await answerTo(example, query)).trim()
}

/** How many orders there are. */
export async function ordersOf(example: Example): Promise<number> {
  return Number(await answerTo(example, 'SELECT count(*) AS value FROM orders'))
}

/** Waits until there are more orders than there were. */
export async function takesOrders(example: Example): Promise<void> {
  const before = await ordersOf(example)
  await example.until(async () => (await ordersOf(example)) > before)
}

/** Compares what the application acknowledged with what is in the database. */
export async function lost(example: Example): Promise<{ lost: number; twice: number; columns: number }> {
  const script = `
    const { DatabaseSync } = require('node:sqlite')
    const db = new DatabaseSync('/data/orders.db', { readOnly: true, timeout: 5000 })
    const acknowledged = require('node:fs').readFileSync('/data/acknowledged.log', 'utf8').split('\\n').slice(0, -1).map(Number)
    const there = new Set(db.prepare('SELECT id FROM orders').all().map(row => row.id))
    console.log(JSON.stringify({
      lost: acknowledged.filter(id => !there.has(id)).length,
      twice: acknowledged.length - new Set(acknowledged).size,
      columns: db.prepare("SELECT count(*) AS n FROM pragma_table_info('orders')").get().n,
    }))`
  return JSON.parse(await runNode(example, script))
}

function answerTo(example: Example, sql: string): Promise<string> {
  const script = `
    const { DatabaseSync } = require('node:sqlite')
    const db = new DatabaseSync('/data/orders.db', { readOnly: true, timeout: 5000 })
    console.log(db.prepare(process.argv[1]).get().value)`
  return runNode(example, script, sql).catch(() => '')
}

function runNode(example: Example, script: string, ...args: string[]): Promise<string> {
  return example.kubectl('exec', example.pod, '-c', 'app', '--', '/nodejs/bin/node', '-e', script, '--', ...args)
}
