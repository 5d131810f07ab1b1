/**
 * Choosing a backup. Names tell most of it, so manifests are read only until one fits: however many backups there are,
 * the newest good one is found with two listings and, as a rule, one manifest.
 */

import { LockkeeperError } from '../errors.ts'
import { type Backup, type CatalogProblem, type ListedBackup, listNames, readBackup } from './catalog.ts'
import { manifestKey, type Tier } from './format.ts'
import type { Repository } from './repository.ts'

/** One of the four ways; `tier` narrows two of them. */
export type Selection =
  | { readonly latest: true; readonly tier?: Tier }
  | { readonly id: string }
  | { readonly at: Date; readonly tier?: Tier }
  | { readonly undo: true }

/** Those that pass over what is not good. */
type Search = Extract<Selection, { latest: true } | { at: Date }>

export interface Selected {
  readonly backup: Backup
  /** Newer ones that would have been chosen, and why they were not, newest first. */
  readonly passedOver: readonly { readonly id: string; readonly reason: string }[]
}

/** Reads the manifest of a backup: see `readBackup`. */
export type Read = (listed: ListedBackup) => Promise<Backup | CatalogProblem | undefined>

/** `selectBackup` in a repository. @param unusable backups that turned out not to be good, and why; they are passed over */
export async function findBackup(
  repository: Repository,
  selection: Selection,
  unusable: ReadonlyMap<string, string> = new Map(),
): Promise<Selected> {
  const { backups } = await listNames(repository)
  return selectBackup(backups, selection, async listed => {
    const problem = unusable.get(listed.id)
    return problem === undefined ? readBackup(repository, listed) : { key: manifestKey(listed.id), message: problem }
  })
}

/**
 * Chooses among backups in the order of `listNames`.
 * - `latest`: the newest. Passes over `pre-restore` ones, which hold what a restore wanted to get rid of, unless that
 *   tier is asked for, and over those that are known to be bad or damaged, or whose manifest cannot be read.
 * - `at`: the newest whose bytes are not younger. Passes over the same, but for `pre-restore` ones.
 * - `id`: that one, whatever is known about it; the beginning of an id is enough if only one begins so.
 * - `undo`: the newest `pre-restore` one, whatever is known about it: no other holds what the last restore replaced.
 * Rejects with `missing` when there is none, `usage` when the beginning of an id fits several, both say what there is;
 * with `invalid` when the manifest of the one with this id cannot be read; and when `read` does.
 */
export async function selectBackup(
  backups: readonly ListedBackup[],
  selection: Selection,
  read: Read,
): Promise<Selected> {
  if ('id' in selection || 'undo' in selection) {
    const listed = 'id' in selection ? byId(backups, selection.id) : lastBeforeRestore(backups)
    return { backup: await readNamed(listed, backups, read), passedOver: [] }
  }
  const { tier } = selection
  const passedOver: { id: string; reason: string }[] = []
  for (const listed of newestFirst(backups, selection)) {
    if (tier !== undefined && !listed.name.tiers.includes(tier)) continue
    const choice = reasonAgainst(listed, selection) ?? (await readUsable(listed, selection, read))
    if (typeof choice === 'object') return { backup: choice, passedOver }
    if (choice !== undefined) passedOver.push({ id: listed.id, reason: choice })
  }
  const wanted = 'at' in selection ? `backup from ${selection.at.toISOString()} or before` : 'backup'
  const ofTier = tier === undefined ? '' : ` of the tier ${tier}`
  const rejected =
    passedOver.length === 0 ? '' : `; passed over: ${shown(passedOver.map(({ id, reason }) => `${id} (${reason})`))}`
  throw nothing(`there is no good ${wanted}${ofTier}${rejected}`, backups)
}

function byId(backups: readonly ListedBackup[], id: string): ListedBackup {
  const exact = backups.find(backup => backup.id === id)
  if (exact !== undefined) return exact
  const fitting = id === '' ? [] : backups.filter(backup => backup.id.startsWith(id))
  const [one] = fitting
  if (one === undefined) throw nothing(`there is no backup ${JSON.stringify(id)}`, backups)
  if (fitting.length === 1) return one
  throw new LockkeeperError(
    'usage',
    `${fitting.length} backups begin with ${JSON.stringify(id)}: ${shown(idsOf(fitting))}`,
    {
      hint: 'Give more of the id, or all of it.',
      details: { fitting: idsOf(fitting) },
    },
  )
}

function lastBeforeRestore(backups: readonly ListedBackup[]): ListedBackup {
  const last = backups.findLast(({ name }) => name.tiers.includes('pre-restore'))
  if (last !== undefined) return last
  throw nothing('there is nothing to undo: no backup was made before a restore', backups)
}

async function readNamed(listed: ListedBackup, backups: readonly ListedBackup[], read: Read): Promise<Backup> {
  const found = await read(listed)
  if (found === undefined) throw nothing(`the backup ${listed.id} has just been removed`, backups)
  if ('manifest' in found) return found
  throw new LockkeeperError('invalid', found.message, {
    hint: 'Choose another backup: `lockkeeper backups` lists those that can be read.',
    details: { backup: listed.id, object: found.key },
  })
}

function newestFirst(backups: readonly ListedBackup[], selection: Search): readonly ListedBackup[] {
  const reversed = backups.toReversed()
  if (!('at' in selection)) return reversed
  const at = selection.at.getTime()
  // Stable: of two from the same second the one with the higher sequence comes first.
  return reversed
    .filter(({ name }) => name.time.getTime() <= at)
    .sort((a, b) => b.name.time.getTime() - a.name.time.getTime())
}

function reasonAgainst({ check, checked, name }: ListedBackup, selection: Search): string | undefined {
  if (checked === 'bad') return `a ${check?.kind ?? 'verification'} found it bad`
  const unwanted = 'latest' in selection && selection.tier !== 'pre-restore' && name.tiers.includes('pre-restore')
  return unwanted ? 'made before a restore' : undefined
}

/** The backup, a reason against it, or undefined when it is none of those that were asked for. */
async function readUsable(listed: ListedBackup, selection: Search, read: Read): Promise<Backup | string | undefined> {
  const found = await read(listed)
  if (found === undefined) return undefined
  if (!('manifest' in found)) return `it cannot be read: ${found.message}`
  const { createdAt, damaged } = found.manifest
  // Names have no milliseconds.
  if ('at' in selection && Date.parse(createdAt) > selection.at.getTime()) return undefined
  return damaged === false ? found : `the database was damaged: ${damaged.reason}`
}

function nothing(message: string, backups: readonly ListedBackup[]): LockkeeperError {
  const there =
    backups.length === 0 ? 'There are no backups at all.' : `There are: ${shown(idsOf(backups).toReversed())}.`
  return new LockkeeperError('missing', message, {
    hint: `${there} \`lockkeeper backups\` tells more about them.`,
    details: { backups: idsOf(backups) },
  })
}

function idsOf(backups: readonly ListedBackup[]): string[] {
  return backups.map(({ id }) => id)
}

/** The first five. */
export function shown(items: readonly string[]): string {
  const most = 5
  const rest = items.length > most ? `, and ${items.length - most} more` : ''
  return `${items.slice(0, most).join(', ')}${rest}`
}
