/**
 * A lock between processes that the kernel holds, so that it is gone with the process: SQLite's own lock on an empty
 * database file. Node has no flock(2), and a lock file made with O_EXCL would outlive a kill.
 *
 * Nothing is ever written to the file, and it is never deleted: whoever deleted it would let a second holder in.
 * POSIX locks belong to the process, so nothing else in it may open or close that file.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { LockkeeperError, messageOf } from '../../errors.ts'

/** Milliseconds between two attempts while somebody else holds it, growing. */
const firstWait = 1
const longestWait = 50

const sqliteBusy = 5
const sqliteReadonly = 8
const sqlitePermission = 3
const sqliteCannotOpen = 14
const sqliteDenied = 23

/**
 * Runs `action` while no other process or thread does under the same path. The file has to be there.
 * Rejects with `storage` when it cannot be had within `timeout` milliseconds or the file system has no locks,
 * with `denied` when the file may not be written.
 */
export async function withLock<T>(path: string, timeout: number, action: () => Promise<T>): Promise<T> {
  const { DatabaseSync } = await import('node:sqlite')
  const deadline = performance.now() + timeout
  for (let wait = firstWait; ; wait = Math.min(wait * 2, longestWait)) {
    let lock: InstanceType<typeof DatabaseSync> | undefined
    try {
      lock = new DatabaseSync(path, { timeout: 0 })
      // Without a journal in memory, BEGIN EXCLUSIVE would make one beside the file, and a kill would leave it there.
      lock.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
    } catch (error) {
      lock?.close()
      if (primaryCode(error) !== sqliteBusy || performance.now() >= deadline) throw explain(error, path, timeout)
      await sleep(wait * (0.5 + Math.random()))
      continue
    }
    try {
      return await action()
    } finally {
      lock.close()
    }
  }
}

function primaryCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined
}

function explain(error: unknown, path: string, timeout: number): unknown {
  switch (primaryCode(error)) {
    case undefined:
      return error
    case sqliteBusy:
      return new LockkeeperError('storage', `${path} was held by another process for ${timeout / 1000} s`, {
        hint: 'Another Lockkeeper changes this repository, or hangs on its volume: let it finish or end it; nothing has to be deleted.',
        cause: error,
      })
    case sqliteReadonly:
    case sqlitePermission:
    case sqliteCannotOpen:
    case sqliteDenied:
      return new LockkeeperError('denied', `${path} cannot be opened for writing: ${messageOf(error)}`, {
        hint: 'Let the user that this process runs as read and write the folder of the repository.',
        cause: error,
      })
    default:
      return new LockkeeperError('storage', `${path} cannot be locked: ${messageOf(error)}`, {
        hint: 'The file system of the repository has to support POSIX locks (most network file systems need a mount option for them).',
        cause: error,
      })
  }
}
