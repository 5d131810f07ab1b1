/**
 * The one error class and the one table of exit codes.
 *
 * Everything that can end a command for a reason that a person can act on is a `LockkeeperError`: what happened and
 * where (`message`), what to do next (`hint`), and a stable `code`. The exit code follows from the code by `exitCodes`,
 * from which `--help` and `docs/exit-codes.md` are made. Anything else that is thrown is a bug (70).
 */

/** Exit codes, after sysexits.h where it has a fitting one. Scripts and `podFailurePolicy` rely on the numbers. */
export const exitCodes = {
  ok: { exit: 0, when: 'done, or there was nothing to do' },
  failed: { exit: 1, when: 'a migration failed; everything was rolled back' },
  usage: { exit: 64, when: 'the command line is wrong' },
  invalid: { exit: 65, when: 'validation failed, a file or a backup is corrupt, a checksum differs' },
  missing: {
    exit: 66,
    when: 'no such database, migration or backup; or the database is missing or empty although the repository has backups of it',
  },
  storage: { exit: 69, when: 'the object store cannot be reached or refuses' },
  internal: { exit: 70, when: 'a bug in Lockkeeper' },
  io: { exit: 74, when: 'the disk is full, or an I/O error' },
  busy: { exit: 75, when: 'the database is locked or in use; try again' },
  newer: { exit: 76, when: 'the database is at a level that this image does not know' },
  denied: { exit: 77, when: 'permission denied' },
  config: { exit: 78, when: 'a setting is missing or wrong' },
  interrupted: { exit: 130, when: 'stopped by SIGINT' },
  terminated: { exit: 143, when: 'stopped by SIGTERM' },
} as const

export type ErrorCode = Exclude<keyof typeof exitCodes, 'ok'>

export interface ErrorDetails {
  /** What to do next: a sentence that names the next command or setting. */
  readonly hint?: string
  /** The error that this one explains. */
  readonly cause?: unknown
  /** What a program may want to know: version, table, path, levels. It never contains a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class LockkeeperError extends Error {
  override readonly name = 'LockkeeperError'
  /** Stable, and the key of `exitCodes`. */
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, { hint, cause, details = {} }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    this.details = details
  }

  get exitCode(): number {
    return exitCodes[this.code].exit
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of a system error (`ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const notThere = ['missing', 'Is the path right, and the volume mounted?'] as const
const noRoom = ['io', 'Make room on the volume, or raise its quota, and run again.'] as const
const broken = ['io', 'The disk or the file system failed: look at the log of the node.'] as const
const notAllowed = [
  'denied',
  'Run with the user and group that own it, on a volume that is mounted for writing.',
] as const
const notAPath = ['config', 'Name a shorter path.'] as const

const systemErrors: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: notThere,
  ENOTDIR: notThere,
  ENOSPC: noRoom,
  EDQUOT: noRoom,
  EFBIG: noRoom,
  EIO: broken,
  EACCES: notAllowed,
  EPERM: notAllowed,
  EROFS: notAllowed,
  ENAMETOOLONG: notAPath,
}

/**
 * Explains a system error as a `LockkeeperError`; a `LockkeeperError` passes through, anything else stays what it is.
 * @param hint default: what usually helps against an error of this kind
 */
export function explainSystemError(error: unknown, doing: string, hint?: string): unknown {
  if (error instanceof LockkeeperError) return error
  const known = systemErrors[systemCode(error) ?? '']
  if (known === undefined) return error
  const [code, usualHint] = known
  return new LockkeeperError(code, `${doing}: ${messageOf(error)}`, { cause: error, hint: hint ?? usualHint })
}
