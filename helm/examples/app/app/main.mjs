// A small application on SQLite: POST / takes an order, GET / says how many there are.
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'

const db = new DatabaseSync('/data/orders.db', { timeout: 5000 })
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
const insert = db.prepare('INSERT INTO orders (what) VALUES (?)')
const count = db.prepare('SELECT count(*) AS n FROM orders')

const server = createServer((request, response) => {
  if (request.method === 'POST') insert.run(`order of ${new Date().toISOString()}`)
  response.end(`${count.get().n} orders\n`)
}).listen(8080)

process.on('SIGTERM', () => {
  server.close()
  db.close()
  process.exit(0)
})
