/** What went wrong with a repository in a folder, as a sentence for a person. */

import { statfs } from 'node:fs/promises'
import { type ErrorCode, LockkeeperError, messageOf, systemCode } from '../../errors.ts'

interface Explanation {
  readonly code: ErrorCode
  readonly hint: string
}

const full: Explanation = {
  code: 'io',
  hint: 'Make room on the volume of the repository, or make the volume larger, then run the same command again: what was already stored is not written again. `lockkeeper prune` removes backups that the retention policy no longer keeps.',
}
const forbidden: Explanation = {
  code: 'denied',
  hint: 'Let the user that this process runs as read and write the folder of the repository (in Kubernetes: securityContext.fsGroup, or the owner of the volume).',
}
const broken: Explanation = {
  code: 'io',
  hint: 'The volume reports an I/O error: look at the kernel log and at the state of the disk before anything is written to it again.',
}

const explanations: Readonly<Record<string, Explanation>> = {
  ENOSPC: full,
  EDQUOT: { ...full, hint: `The quota on the volume of the repository is used up. ${full.hint}` },
  EFBIG: { code: 'io', hint: 'The volume or a limit of this process (ulimit -f) does not allow files of this size.' },
  EIO: broken,
  EUCLEAN: broken,
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: {
    code: 'denied',
    hint: 'The volume of the repository is mounted read-only: mount it writable (in Kubernetes: readOnly on the volume or the volumeMount), or see in the kernel log why it became read-only.',
  },
  ENOTDIR: {
    code: 'config',
    hint: 'A folder is needed where a file is: name another folder as the repository, or move that file away.',
  },
  ELOOP: {
    code: 'invalid',
    hint: 'Inside a repository symbolic links are not followed: put what it points to in its place, or mount that volume there.',
  },
  EMFILE: { code: 'io', hint: 'Raise the limit of open files (ulimit -n) of this process.' },
}

const otherwise: Explanation = {
  code: 'storage',
  hint: 'See whether the volume of the repository is still mounted and answers, then run the same command again.',
}

/**
 * Makes a `LockkeeperError` of a system error: `io` (full, broken), `denied`, `config`, `invalid` (symbolic link),
 * otherwise `storage`. When the disk is full it says how much was free and how much was needed.
 */
export async function explainFileError(error: unknown, doing: string, root: string, bytes?: number): Promise<unknown> {
  if (error instanceof LockkeeperError) return error
  const system = systemCode(error)
  if (system === undefined) return error
  const { code, hint } = explanations[system] ?? otherwise
  const details: Record<string, unknown> = { root, system }
  let room = ''
  if (system === 'ENOSPC' && bytes !== undefined) {
    const free = await freeBytes(root)
    Object.assign(details, { bytes, free })
    room = ` (${bytes} bytes to write${free === undefined ? '' : `, ${free} bytes free`})`
  }
  return new LockkeeperError(code, `${doing}: ${messageOf(error)}${room}`, { hint, cause: error, details })
}

/** On the volume of a folder; undefined when it cannot be told. */
export async function freeBytes(root: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(root)
    return bavail * bsize
  } catch {
    return undefined
  }
}
