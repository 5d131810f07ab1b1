/**
 * A rollback journal that holds a whole new content, for what SQLite cannot replace in one transaction: a database in WAL
 * mode by one of another page size, and a file that it does not take for a database at all.
 *
 * SQLite plays a journal that it finds beside a database back before it looks at anything else, header included, and does
 * so again from the start when it was killed meanwhile (https://www.sqlite.org/fileformat2.html#the_rollback_journal). So
 * the moment in which such a journal gets its name is the moment in which the old content becomes the new one, for
 * whichever program opens the database next. SQLite's part of it is the one that every crash relies on.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, type FileHandle, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'
import { parseHeader } from './header.ts'
import { requireRoom } from './room.ts'

const magic = Buffer.from('d9d505f920a163d7', 'hex')
const sectorSize = 512
/** Holds SQLite's locks and no data, in no database. */
const lockByte = 0x40000000
const bytesAtOnce = 4 * 1024 * 1024

/** What a killed restore leaves before the journal has its name: of no use to anybody. */
export const unfinishedJournal = (file: string): string => `${file}-restore`

/**
 * Writes the journal beside the database `file`, as `unfinishedJournal`, and makes it durable. Once it is renamed to the
 * name that SQLite has for it, under the lock, the content is the new one.
 * @param source a private copy of the new content, without a log of its own
 * @throws LockkeeperError `io` when there is not enough room, for the journal and for the new content; `denied`
 */
export async function writeRedoJournal(file: string, source: string): Promise<void> {
  const path = unfinishedJournal(file)
  const from = await open(source, 'r')
  try {
    await rm(path, { force: true })
    const to = await open(path, 'wx', 0o600)
    try {
      await checkRoom(file, (await from.stat()).size)
      await write(from, to)
      await likeDatabase(path, file)
      await to.sync()
    } finally {
      await to.close()
    }
  } catch (error) {
    await rm(path, { force: true }).catch(() => {})
    throw explainSystemError(error, `cannot write ${path}`)
  } finally {
    await from.close()
  }
}

async function write(from: FileHandle, to: FileHandle): Promise<void> {
  const first = await readAt(from, 0, 65536)
  const header = parseHeader(first)
  if (header === undefined) throw new LockkeeperError('internal', 'the private copy is not a database')
  const { pageSize } = header
  const pages = pagesOf(first, (await from.stat()).size, pageSize)
  const nonce = randomBytes(4).readUInt32BE()
  await to.appendFile(journalHeader(nonce, pages, pageSize))
  const atOnce = Math.max(1, Math.floor(bytesAtOnce / pageSize))
  for (let start = 0; start < pages; start += atOnce) {
    const bytes = await readAt(from, start * pageSize, Math.min(atOnce, pages - start) * pageSize)
    if (start === 0) asAnotherVersion(bytes, pages)
    const records: Buffer[] = []
    for (let offset = 0; offset < bytes.length; offset += pageSize) {
      const at = start * pageSize + offset
      if (at !== lockByte) records.push(...record(at / pageSize + 1, bytes.subarray(offset, offset + pageSize), nonce))
    }
    await to.appendFile(Buffer.concat(records))
  }
  // So that the end of the last page is not where SQLite looks for the name of a super-journal.
  await to.appendFile(Buffer.alloc(16))
}

function journalHeader(nonce: number, pages: number, pageSize: number): Buffer {
  const header = Buffer.alloc(sectorSize)
  magic.copy(header)
  // As many records as the file has.
  header.writeUInt32BE(0xffffffff, 8)
  for (const [position, value] of [nonce, pages, sectorSize, pageSize].entries())
    header.writeUInt32BE(value, 12 + 4 * position)
  return header
}

function record(page: number, content: Buffer, nonce: number): [Buffer, Buffer, Buffer] {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(page)
  let sum = nonce
  for (let offset = content.length - 200; offset > 0; offset -= 200) sum += content[offset] ?? 0
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(sum % 2 ** 32)
  return [number, content, checksum]
}

/** By the header, where that is up to date, as SQLite counts them. */
function pagesOf(first: Buffer, bytes: number, pageSize: number): number {
  const inFile = Math.floor(bytes / pageSize)
  const inHeader = first.readUInt32BE(28)
  const upToDate = first.readUInt32BE(24) === first.readUInt32BE(92)
  return upToDate && inHeader > 0 && inHeader < inFile ? inHeader : inFile
}

/**
 * A connection that is open and idle believes in its cache as long as the change counter is the one that it knows, and
 * in its schema as long as the cookie is; the history of the new content may have used the same numbers for other things.
 */
function asAnotherVersion(page1: Buffer, pages: number): void {
  const counter = randomBytes(4)
  counter.copy(page1, 24)
  page1.writeUInt32BE(pages, 28)
  randomBytes(4).copy(page1, 40)
  counter.copy(page1, 92)
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer
}

/** Once it has begun, playing the journal back must not run out of room: SQLite has nothing to go back to. */
async function checkRoom(file: string, bytes: number): Promise<void> {
  const grows = Math.max(0, bytes - (await stat(file)).size)
  // A record is a little larger than its page, by 1.6 percent where the page is smallest.
  const needed = Math.ceil(bytes * 1.02) + grows + 1024 * 1024
  const hint = 'Nothing was touched. Make room on the volume, or raise its quota, and restore again.'
  await requireRoom(dirname(file), needed, `replacing ${file}`, hint)
}

/** As SQLite gives them to its own journals: whoever may write the database has to be able to play it back. */
async function likeDatabase(path: string, file: string): Promise<void> {
  const { gid, mode, uid } = await stat(file)
  await chown(path, uid, gid).catch((error: unknown) => {
    if (systemCode(error) !== 'EPERM') throw error
  })
  await chmod(path, mode & 0o777)
}
