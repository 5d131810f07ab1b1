/**
 * Questions to the file system that are answered at once, asked without Node's pool of threads: to load and start that
 * takes a run with nothing to do longer than all its questions. The errors are those of `node:fs/promises`.
 */
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  type StatsFs,
  statfsSync,
  statSync,
} from 'node:fs'

export async function stat(path: string): Promise<Stats> {
  return statSync(path)
}

/** Rejects unless this user may read it. */
export async function readable(path: string): Promise<void> {
  accessSync(path, constants.R_OK)
}

/** Times in nanoseconds. */
export async function exactStat(path: string): Promise<BigIntStats> {
  return statSync(path, { bigint: true })
}

export async function realpath(path: string): Promise<string> {
  return realpathSync.native(path)
}

export async function readlink(path: string): Promise<string> {
  return readlinkSync(path)
}

export async function fileSystemOf(path: string): Promise<StatsFs> {
  return statfsSync(path)
}

/** The whole of a small file. */
export async function readText(path: string): Promise<string> {
  return readFileSync(path, 'utf8')
}

/** Up to so many bytes from the beginning of a file; see `readBytes`. */
export function readStart(path: string, bytes: number): Promise<Uint8Array> {
  return readBytes(path, 0, bytes)
}

/**
 * Up to so many bytes of a file. Never for a database that this process may have open: closing the file takes away the
 * locks of the whole process.
 */
export async function readBytes(path: string, position: number, bytes: number): Promise<Uint8Array> {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.allocUnsafeSlow(bytes)
    return buffer.subarray(0, readSync(file, buffer, 0, bytes, position))
  } finally {
    closeSync(file)
  }
}
