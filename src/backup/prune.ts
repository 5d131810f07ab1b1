/**
 * Pruning: removes the backups that the policy does not keep, and in two steps, with a time of grace between them, what
 * only they used. Safe beside backups, verifications, restores and other prunes, and killed or held up anywhere:
 * `retention.ts` decides, `remove.ts` and `sweep.ts` say in which order things are done.
 */

import { LockkeeperError } from '../errors.ts'
import type { CatalogProblem } from './catalog.ts'
import { listChecks } from './checks.ts'
import { idInKey, parseChunkKey } from './format.ts'
import { readIntents, removeExpiredIntents } from './intents.ts'
import type { Origin } from './manifest.ts'
import { listPins } from './pins.ts'
import { deleteOrExplain, type Removal, removeBackups } from './remove.ts'
import { listRemoved } from './removed.ts'
import type { Repository } from './repository.ts'
import { isEmptyPolicy, type RetentionFacts, type Verdict } from './retention.ts'
import { type Settled, settle } from './settle.ts'
import { type JudgeOptions, judge, judgeAgain, type Survey, survey } from './survey.ts'
import { type Amount, amountOf, planSweep, spentMarks, sweep, type Usage } from './sweep.ts'

export interface PruneOptions extends JudgeOptions {
  /** Milliseconds that what no backup uses any more stays after it was marked. */
  readonly grace: number
  /** Decide, but change nothing. */
  readonly dryRun: boolean
  readonly by: Origin
  readonly signal?: AbortSignal
}

export interface JudgedBackup extends Verdict {
  readonly facts: RetentionFacts
  /** Of the database. */
  readonly bytes: number
}

export interface PruneReport {
  /** All that were there, newest last. */
  readonly backups: readonly JudgedBackup[]
  /** What is stored though there is no backup at all: nothing of it is marked or deleted. Undefined: there are backups, or nothing. */
  readonly withoutBackups: Amount | undefined
  /** Why nothing may be removed or deleted, a sentence; undefined: something may. */
  readonly blocked: string | undefined
  /** Ids; in a dry run, of those that would be. */
  readonly removed: readonly string[]
  /** Ids of those that had to stay after all, as somebody pinned them or found newer ones bad at that moment. */
  readonly putBack: readonly string[]
  /** What nothing uses any more since this prune, or since something was killed; a prune after the time of grace deletes it. */
  readonly released: Amount
  /** What was marked before, and is still in its time of grace. */
  readonly waiting: Amount
  /** What was marked long enough ago, and is gone now; in a dry run, what would be. */
  readonly deleted: Amount
  readonly problems: readonly CatalogProblem[]
  /** Why the store did not delete what it was asked to; the rest was done. */
  readonly refused: LockkeeperError | undefined
}

/**
 * Rejects with
 * - `config` when the policy has no rule at all;
 * - `invalid` or `config` when marks cannot be read;
 * - whatever the store rejects with, or the reason of the signal. Then some of it may be done, and the next prune goes on.
 */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneReport> {
  if (isEmptyPolicy(options.policy))
    throw new LockkeeperError('config', 'the retention policy has no rule, so nothing is removed', {
      hint: 'Set at least one, such as --keep-daily 7: docs/retention.md.',
    })
  const { signal } = options
  const seen = await survey(repository, signal)
  const settled: Settled = options.dryRun ? { putBack: [], changed: false, refused: undefined } : await settleFirst()
  const found = settled.changed ? await survey(repository, signal) : seen
  const { blocked, verdicts } = judge(found, options)
  const backups = verdicts.map(verdict => {
    const known = found.backups.get(verdict.id)
    return { ...verdict, facts: known?.facts as RetentionFacts, bytes: known?.bytes ?? 0 }
  })
  const going = verdicts.filter(({ keep }) => !keep).map(({ id }) => id)
  const { content } = found
  const abandoned = found.backups.size + found.leaving.size === 0 && content.keys.length > 0
  const withoutBackups = abandoned ? amountOf(content, [...content.keys.keys()]) : undefined
  const common = { backups, problems: found.problems, withoutBackups }
  const none = { objects: 0, bytes: 0 }
  const still = { released: none, waiting: none, deleted: none }
  // Somebody may be about to bring the manifests back.
  if (blocked !== undefined || abandoned) {
    const { putBack, refused } = settled
    return { ...common, ...still, blocked, removed: [], putBack, refused }
  }

  const removal = options.dryRun ? { removed: going, putBack: [], refused: undefined } : await remove()
  const done = { removed: removal.removed, putBack: [...settled.putBack, ...removal.putBack] }
  const gone = new Set(removal.removed)
  const staying = [...found.leaving.values(), ...found.backups.values()].filter(({ id }) => !gone.has(id))
  const unknown = staying.map(backup => content.unreadableList(backup)).find(list => list !== undefined)
  if (unknown !== undefined) {
    const what = `nobody knows what a backup needs, so nothing is deleted: ${unknown.message}`
    return { ...common, ...still, ...done, refused: removal.refused, blocked: what }
  }
  const usage = usageOf(found, gone)
  const intents = options.dryRun ? found.intents : await readIntents(repository)
  const plan = planSweep(content, usage, found.marks, intents, { grace: options.grace, now: Date.now() })
  const amounts = { released: amountOf(content, plan.unused), waiting: amountOf(content, plan.waiting) }
  const deleted = amountOf(content, plan.due)
  if (options.dryRun) return { ...common, ...done, ...amounts, blocked, deleted, refused: undefined }
  signal?.throwIfAborted()
  const known = new Set([...found.backups.keys(), ...found.leaving.keys()])
  const swept = await sweep(repository, content, plan, known, options.by, signal)
  const refused = settled.refused ?? removal.refused ?? swept.refused
  const untidy = refused === undefined ? await tidy(repository, found, new Set(plan.due)) : undefined
  return { ...common, ...done, ...amounts, blocked, deleted: swept.deleted, refused: refused ?? untidy }

  async function settleFirst(): Promise<Settled> {
    await removeExpiredIntents(repository, seen.content.newest)
    const mayGo = judge(seen, options).blocked === undefined
    return settle(
      repository,
      id => seen.leaving.has(id),
      chunksOf(seen, seen.leaving.keys()),
      options.by,
      async removed => (mayGo ? judgeAgain(repository, seen, removed, options) : new Set()),
    )
  }

  async function remove(): Promise<Removal> {
    if (going.length === 0) return { removed: [], putBack: [], refused: undefined }
    signal?.throwIfAborted()
    return removeBackups(repository, going, chunksOf(found, going), options.by, removed =>
      judgeAgain(repository, found, removed, options),
    )
  }
}

/** Hashes of all chunks that these name. */
function chunksOf({ backups, content, leaving }: Survey, ids: Iterable<string>): Set<string> {
  const chunks = new Set<string>()
  for (const id of ids) {
    const backup = backups.get(id) ?? leaving.get(id)
    if (backup === undefined) continue
    for (const position of content.namedBy(backup))
      chunks.add(parseChunkKey(content.keys[position] as string)?.sha256 ?? '')
  }
  return chunks
}

function usageOf({ backups, content, leaving }: Survey, gone: ReadonlySet<string>): Usage {
  const used = new Uint8Array(content.keys.length)
  const released = new Uint8Array(content.keys.length)
  for (const backup of [...leaving.values(), ...backups.values()]) {
    const flags = gone.has(backup.id) ? released : used
    for (const position of content.namedBy(backup)) flags[position] = 1
  }
  return { used, released }
}

/** Marks that are spent, and the results of checks and pins of backups that are gone. */
async function tidy(repository: Repository, { content, marks }: Survey, deleted: ReadonlySet<number>) {
  const { checks } = await listChecks(repository.store)
  const pins = await listPins(repository)
  // Last: whoever checked or pinned a backup did so while it was there.
  const ids = new Set<string>()
  for await (const { key } of repository.store.list('backups/')) ids.add(idInKey(key) ?? '')
  for (const { id } of (await listRemoved(repository)).copies) ids.add(id)
  const orphans = [...checks].flatMap(([id, of]) => (ids.has(id) ? [] : of.map(({ key }) => key)))
  // A prune that is just putting a backup back needs its pin.
  const oldPins = [...pins].filter(
    ([id, { stored }]) => !ids.has(id) && content.newest - stored.getTime() > orphanedFor,
  )
  const spent = spentMarks(marks, content, position => !deleted.has(position))
  return deleteOrExplain(repository, [...spent, ...orphans, ...oldPins.map(([, { key }]) => key)])
}

/** Milliseconds after which a pin of no backup is removed. */
const orphanedFor = 72 * 60 * 60 * 1000
