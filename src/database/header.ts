/** What the first bytes of a database file and of its rollback journal say (https://www.sqlite.org/fileformat2.html). */

export type JournalMode = 'wal' | 'rollback'

/** The part of a database's first 100 bytes that decides how it can be opened. */
export interface Header {
  /** Bytes. */
  readonly pageSize: number
  readonly journalMode: JournalMode
  readonly encoding: 'UTF-8' | 'UTF-16'
}

/** Bytes of a file that are enough for `parseHeader` and `parseJournal`. */
export const headerBytes = 100

const databaseMagic = Buffer.from('SQLite format 3\0')
const journalMagic = Buffer.from('d9d505f920a163d7', 'hex')

/** Undefined: no database begins like this. */
export function parseHeader(start: Uint8Array): Header | undefined {
  const bytes = Buffer.from(start)
  if (bytes.length < headerBytes || !bytes.subarray(0, 16).equals(databaseMagic)) return undefined
  const pageSize = bytes.readUInt16BE(16)
  return {
    pageSize: pageSize === 1 ? 65536 : pageSize,
    journalMode: bytes[18] === 2 ? 'wal' : 'rollback',
    // 0 stands in a database that has no table yet.
    encoding: bytes.readUInt32BE(56) > 1 ? 'UTF-16' : 'UTF-8',
  }
}

/** True for a rollback journal that SQLite would play back, unless its transaction is still going on. */
export function isHotJournal(start: Uint8Array): boolean {
  return Buffer.from(start).subarray(0, 8).equals(journalMagic)
}

/**
 * What a rollback journal would do to its database.
 * - `nothing`: its transaction is over, or had not got as far as changing the file
 * - `empties`: it takes back the very first transaction, so there was no database before
 * - `restores`: it holds pages of a database that had content
 */
export function parseJournal(start: Uint8Array): 'nothing' | 'empties' | 'restores' {
  const bytes = Buffer.from(start)
  // SQLite writes the magic last, and over-writes it with zeros when the transaction is over.
  if (bytes.length < 28 || bytes.subarray(0, 12).every(byte => byte === 0)) return 'nothing'
  const pagesBefore = bytes.readUInt32BE(16)
  return isHotJournal(bytes) && pagesBefore === 0 ? 'empties' : 'restores'
}
