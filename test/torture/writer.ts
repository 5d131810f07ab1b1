/**
 * As writer.py, with a SQLite of another age: Node's own.
 * `node writer.ts NAME DATABASE LEDGER wal|rollback PAUSE_MS`
 */
import { openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'

const [name, path, ledger, mode, pause] = process.argv.slice(2) as [string, string, string, string, string]
const log = openSync(ledger, 'a')
let connection: DatabaseSync | undefined
let acknowledged = 0
let rounds = 0
let timer: NodeJS.Timeout | undefined

function transaction(): void {
  const last = acknowledged + 1 + (++rounds % 3)
  writeSync(log, `try ${last}\n`)
  try {
    connection ??= new DatabaseSync(path)
    connection.exec('BEGIN IMMEDIATE')
    const entry = connection.prepare('INSERT INTO entries (writer, n, body) VALUES (?, ?, ?)')
    const detail = connection.prepare('INSERT INTO details (entry_id, body) VALUES (?, ?)')
    for (let n = acknowledged + 1; n <= last; n++)
      detail.run(entry.run(name, n, `${name}:${n}:${'.'.repeat((n * 7919) % 61)}`).lastInsertRowid, n)
    connection.exec('COMMIT')
    writeSync(log, `ok ${last}\n`)
    acknowledged = last
  } catch (error) {
    try {
      if (connection?.isTransaction) connection.exec('ROLLBACK')
    } catch {
      close()
    }
    writeSync(log, `no ${(error as Error).message}\n`)
  }
  if (mode === 'wal' && rounds % 3 === 0) close()
}

function close(): void {
  connection?.close()
  connection = undefined
}

console.log('ready')
for await (const word of createInterface({ input: process.stdin })) {
  clearInterval(timer)
  if (word === 'end') break
  if (word === 'go') {
    timer = setInterval(transaction, Number(pause))
    continue
  }
  if (mode === 'wal') close()
  console.log('paused')
}
process.exit()
