// A small application on SQLite: it takes an order every few milliseconds, and writes down outside the database which
// ones it has acknowledged, so that anybody can check that none was lost.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'

const { DATABASE = '/data/orders.db', ACKNOWLEDGED = '/data/acknowledged.log' } = process.env
const db = new DatabaseSync(DATABASE, { timeout: 5000 })
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
const insert = db.prepare('INSERT INTO orders (what) VALUES (?)')

const server = createServer((_, response) => {
  response.end(`${db.prepare('SELECT count(*) AS n FROM orders').get().n} orders\n`)
}).listen(8080)

const takingOrders = setInterval(() => {
  const { lastInsertRowid } = insert.run(`order of ${new Date().toISOString()}`)
  appendFileSync(ACKNOWLEDGED, `${lastInsertRowid}\n`)
}, 20)

process.on('SIGTERM', () => {
  clearInterval(takingOrders)
  server.close()
  db.close()
  process.exit(0)
})
