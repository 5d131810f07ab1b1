/**
 * Who is in the way of a lock: the kernel's list of locks (`/proc/locks`), as far as this process may see it. Processes of
 * other containers and pods are not in it, and other systems than Linux have none. Everything here reads `/proc` and
 * looks at paths; the database itself is not opened.
 */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename } from 'node:path'

export interface Holder {
  /** As this process sees it. */
  readonly pid: number
  /** The program and, where it is no option, its first argument; undefined when that may not be read. */
  readonly command: string | undefined
  /** What it holds, in SQLite's own words; empty: it only has the file open. */
  readonly locks: readonly string[]
}

/** One line of `/proc/locks`. */
export interface KernelLock {
  readonly pid: number
  readonly write: boolean
  /** `fe:00`: major and minor number in hexadecimal digits. */
  readonly device: string
  readonly inode: string
  /** First and last byte. */
  readonly start: number
  readonly end: number
}

/** Those that are held; those that are waited for begin with an arrow, and SQLite does not wait in the kernel. */
export function parseLocks(text: string): KernelLock[] {
  const line = /^\d+: (?:POSIX|OFDLCK)\s+\S+\s+(READ|WRITE)\s+(-?\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/gm
  return [...text.matchAll(line)].map(([, kind, pid, device = '', inode = '', start, end]) => ({
    pid: Number(pid),
    write: kind === 'WRITE',
    device,
    inode,
    start: Number(start),
    end: end === 'EOF' ? Number.POSITIVE_INFINITY : Number(end),
  }))
}

/** Where SQLite puts its locks in the database file (https://www.sqlite.org/src/file?name=src/os.h): pending, reserved, shared. */
const pending = 0x40000000
const reserved = pending + 1
const shared = pending + 2
/** And in the index of the write-ahead log (https://www.sqlite.org/walformat.html#wal_locks). */
const slots = ['the WAL write slot', 'the WAL checkpoint slot', 'the WAL recover slot']
const firstSlot = 120
const firstReadSlot = firstSlot + slots.length
const lastReadSlot = firstReadSlot + 4

/** What a lock on the database file means, strongest first; undefined: it is not SQLite's. */
export function lockOnDatabase({ start, end, write }: Pick<KernelLock, 'start' | 'end' | 'write'>): string | undefined {
  const covers = (byte: number) => start <= byte && byte <= end
  if (covers(shared)) return write ? 'an exclusive lock' : 'a shared lock'
  if (covers(reserved)) return 'a reserved lock'
  if (covers(pending)) return 'a pending lock'
  return undefined
}

/** The same for a lock on the log's index. That a connection is open is no news. */
export function lockOnIndex({ start, end }: Pick<KernelLock, 'start' | 'end'>): string | undefined {
  if (start >= firstReadSlot && end <= lastReadSlot) return 'a WAL read slot'
  return start >= firstSlot && start < firstReadSlot ? slots[start - firstSlot] : undefined
}

/**
 * The processes that hold locks of SQLite's on a database; where none is to be seen, those that have it open.
 * @param file from `realDatabasePath`
 * @param except process ids of one's own
 */
export async function holdersOf(file: string, except: readonly (number | undefined)[]): Promise<Holder[]> {
  const text = await readFile('/proc/locks', 'utf8').catch(() => '')
  const all = parseLocks(text).filter(({ pid }) => pid > 0 && !except.includes(pid))
  const found = new Map<number, Set<string>>()
  for (const [path, meaning] of [
    [file, lockOnDatabase],
    [`${file}-shm`, lockOnIndex],
  ] as const)
    for (const lock of await locksOf(path, all)) {
      const what = meaning(lock)
      if (what !== undefined) found.set(lock.pid, (found.get(lock.pid) ?? new Set()).add(what))
    }
  if (found.size === 0) for (const pid of await whoHasOpen(file)) if (!except.includes(pid)) found.set(pid, new Set())
  return Promise.all(
    [...found].map(async ([pid, locks]) => ({ pid, command: await commandOf(pid), locks: [...locks] })),
  )
}

/** Some file systems (overlay, btrfs) give the kernel's list another device than they give us: then the inode decides. */
async function locksOf(path: string, locks: readonly KernelLock[]): Promise<KernelLock[]> {
  const info = await stat(path, { bigint: true }).catch(() => undefined)
  if (info === undefined) return []
  const sameInode = locks.filter(({ inode }) => inode === String(info.ino))
  const sameDevice = sameInode.filter(({ device }) => device === deviceName(info.dev))
  return sameDevice.length > 0 ? sameDevice : sameInode
}

/** As the kernel takes a device number apart (gnu_dev_major, gnu_dev_minor). */
function deviceName(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return [major, minor].map(part => part.toString(16).padStart(2, '0')).join(':')
}

/** By `/proc/PID/fd`, which shows a user only its own processes. */
async function whoHasOpen(file: string): Promise<number[]> {
  const wanted = await stat(file).catch(() => undefined)
  const pids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const found: number[] = []
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`
    for (const fd of await readdir(folder).catch(() => [])) {
      const link = await readlink(`${folder}/${fd}`).catch(() => '')
      if (basename(link) !== basename(file)) continue
      const info = await stat(`${folder}/${fd}`).catch(() => undefined)
      if (info?.ino !== wanted?.ino || info?.dev !== wanted?.dev) continue
      found.push(Number(pid))
      break
    }
  }
  return found
}

/** A process may call itself whatever it likes. */
const printable = /^\P{C}{1,200}$/u

/** No more of the command line: what follows may be a password. */
async function commandOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [program = '', argument = ''] = text.split('\0')
  if (!printable.test(program)) return undefined
  const told = printable.test(argument) && !/^-|[=@]|:\/\//.test(argument)
  return told ? `${basename(program)} ${argument}` : basename(program)
}
