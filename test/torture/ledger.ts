/**
 * What a writer was told: lines that it wrote outside the database, each one complete before it went on.
 * `try N` before a transaction that ends with its row N; then `ok N` once SQLite said that it is committed, or `no REASON`.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'

export interface Account {
  readonly writer: string
  /** Rows 1 to this one are committed: it was told so. */
  readonly acknowledged: number
  /** Up to this row was tried when it was killed: all of them may be there, or none beyond `acknowledged`. */
  readonly tried: number
  /** The last reasons for a refusal, for whoever looks into it. */
  readonly refusals: number
}

/** Of a writer that pauses or is gone. */
export class Ledger {
  readonly writer: string
  readonly #path: string
  #read = 0
  #rest = ''
  #acknowledged = 0
  #tried = 0
  #refusals = 0

  constructor(writer: string, path: string) {
    this.writer = writer
    this.#path = path
  }

  account(): Account {
    for (const line of this.#newLines()) {
      const [word, value] = line.split(' ', 2)
      if (word === 'try') this.#tried = Number(value)
      if (word === 'ok') this.#acknowledged = Number(value)
      if (word === 'no') {
        this.#refusals++
        this.#tried = this.#acknowledged
      }
    }
    return {
      writer: this.writer,
      acknowledged: this.#acknowledged,
      tried: Math.max(this.#tried, this.#acknowledged),
      refusals: this.#refusals,
    }
  }

  #newLines(): string[] {
    if (!existsSync(this.#path)) return []
    const file = openSync(this.#path, 'r')
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#read)
      readSync(file, bytes, 0, bytes.length, this.#read)
      this.#read += bytes.length
      const lines = (this.#rest + bytes.toString()).split('\n')
      this.#rest = lines.pop() ?? ''
      return lines
    } finally {
      closeSync(file)
    }
  }
}
