/** What a verification found, as data, and one after the other as they are made. */
import type { CatalogProblem } from '../backup/catalog.ts'
import type { Manifest } from '../backup/manifest.ts'
import type { Progress } from '../backup/progress.ts'
import type { Repository } from '../backup/repository.ts'
import type { Inspection, VerifyReport } from '../backup/verify.ts'
import type { LockkeeperError } from '../errors.ts'
import { counted } from '../units.ts'
import { type Examined, examineCopy, judge } from './examine.ts'
import type { JobOptions } from './options.ts'
import { originOf } from './save.ts'

/** A backup that was looked at. */
export interface Verified {
  readonly id: string
  /** `damaged`: among all, one that holds, as it should, a database that was known to be damaged. */
  readonly result: 'good' | 'bad' | 'damaged'
  /** How the database was looked at; null when it did not come to that. */
  readonly how: string | null
  /** What makes it bad, a sentence each. */
  readonly problems: readonly string[]
  /** What is worth knowing and does not, a sentence each. */
  readonly notes: readonly string[]
  /** Key of the record; null where there is none. */
  readonly recorded: string | null
  readonly milliseconds: number
}

export interface Verification {
  readonly repository: string
  /** None of them is bad, and nothing else in the repository is damaged. */
  readonly good: boolean
  /** Newest first. */
  readonly backups: readonly Verified[]
  /** Objects of the repository that are damaged and are no part of these backups. */
  readonly problems: readonly CatalogProblem[]
  /** What is worth knowing about the repository, a sentence each. */
  readonly notes: readonly string[]
  /** Why results could not be stored: whoever may read may not always write. Null where they were. */
  readonly unrecorded: LockkeeperError | null
}

export interface Outcome {
  readonly verified: Verified
  readonly unrecorded: LockkeeperError | null
}

/** `asBackedUp`: what a backup counts as that is whole, and was made of a database that was known to be damaged. */
export function outcomeOf({ check, recorded }: VerifyReport, asBackedUp: 'bad' | 'damaged' = 'bad'): Outcome {
  const { backup: id, how, milliseconds, notes, problems } = check
  const result = recorded === undefined ? asBackedUp : check.result
  return {
    verified: {
      id,
      result,
      how,
      problems,
      notes,
      recorded: typeof recorded === 'string' ? recorded : null,
      milliseconds,
    },
    unrecorded: typeof recorded === 'object' ? recorded : null,
  }
}

/** Of a backup whose manifest cannot be read. It says so itself each time, so it needs no record. */
export function unreadable(id: string, { message }: CatalogProblem): Outcome {
  const nothing = { how: null, notes: [], recorded: null, milliseconds: 0 }
  return { verified: { id, result: 'bad', problems: [message], ...nothing }, unrecorded: null }
}

export function summary(
  { salvaged, store }: Repository,
  outcomes: readonly Outcome[],
  found: Pick<Verification, 'problems' | 'notes'>,
): Verification {
  const backups = outcomes.map(({ verified }) => verified)
  const problems = [
    ...(salvaged === undefined ? [] : [{ key: 'repository.json', message: salvaged }]),
    ...found.problems,
  ]
  return {
    repository: store.url,
    good: problems.length === 0 && backups.every(({ result }) => result !== 'bad'),
    backups,
    problems,
    notes: found.notes,
    unrecorded: unrecordedOf(outcomes),
  }
}

export function unrecordedOf(outcomes: readonly Outcome[]): LockkeeperError | null {
  return outcomes.find(({ unrecorded }) => unrecorded !== null)?.unrecorded ?? null
}

/** What verifying takes from the job that it is a part of. */
export function surroundings({ actor, listener, signal }: Pick<JobOptions, 'actor' | 'listener' | 'signal'>) {
  return {
    by: originOf(actor),
    onProgress: ({ bytes, total }: Progress) =>
      listener({ kind: 'progress', step: 'verify', done: bytes, total, unit: 'bytes' }),
    ...(signal === undefined ? {} : { signal }),
  }
}

/** One line. */
export function toldOf({ check: { backup, how, problems, result }, fetched, recorded }: VerifyReport): string {
  if (recorded === undefined) return `${backup} is as it was backed up: ${problems.at(-1)}`
  const chunks = `${counted(fetched, 'chunk')} fetched`
  return result === 'good' ? `${backup} is good: ${chunks}, ${how}` : `${backup} is bad: ${problems[0]}`
}

/** Looks into copies, and into each content once: backups of a database that did not change are the same bytes. */
export function examiner(signal: AbortSignal | undefined): (path: string, manifest: Manifest) => Promise<Inspection> {
  let last: { readonly sha256: string; readonly examined: Examined } | undefined
  return async (path, manifest) => {
    const { sha256 } = manifest.database
    if (last?.sha256 !== sha256) last = { sha256, examined: await examineCopy(path, signal) }
    return judge(last.examined, manifest)
  }
}
