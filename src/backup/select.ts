/** Choosing a backup: a pure function of what there is. */

import { LockkeeperError } from '../errors.ts'
import type { Backup } from './catalog.ts'
import type { Tier } from './format.ts'

/** One of the three ways; `tier` narrows the first and the last. */
export type Selection =
  | { readonly latest: true; readonly tier?: Tier }
  | { readonly id: string }
  | { readonly at: Date; readonly tier?: Tier }

export interface Selected {
  readonly backup: Backup
  /** Newer ones that would have been chosen, and why they were not, newest first. */
  readonly passedOver: readonly { readonly id: string; readonly reason: string }[]
}

/**
 * Chooses among backups in the order of `listBackups`.
 * - `latest`: the newest. Passes over `pre-restore` ones, which hold what a restore wanted to get rid of, unless that
 *   tier is asked for, and over those that are known to be bad or damaged.
 * - `at`: the newest whose bytes are not younger. Passes over those that are known to be bad or damaged.
 * - `id`: that one, whatever is known about it; the beginning of an id is enough if only one begins so.
 * Throws `missing` when there is none, `usage` when the beginning of an id fits several; both say what there is.
 */
export function selectBackup(backups: readonly Backup[], selection: Selection): Selected {
  if ('id' in selection) return { backup: byId(backups, selection.id), passedOver: [] }
  const { tier } = selection
  const passedOver: { id: string; reason: string }[] = []
  for (const backup of newestFirst(backups, selection)) {
    if (tier !== undefined && !backup.manifest.tiers.includes(tier)) continue
    const reason = reasonAgainst(backup, selection)
    if (reason === undefined) return { backup, passedOver }
    passedOver.push({ id: backup.id, reason })
  }
  const wanted = 'at' in selection ? `backup from ${selection.at.toISOString()} or before` : 'backup'
  const ofTier = tier === undefined ? '' : ` of the tier ${tier}`
  const rejected =
    passedOver.length === 0 ? '' : `; passed over: ${shown(passedOver.map(({ id, reason }) => `${id} (${reason})`))}`
  throw nothing(`there is no good ${wanted}${ofTier}${rejected}`, backups)
}

function byId(backups: readonly Backup[], id: string): Backup {
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

function newestFirst(backups: readonly Backup[], selection: Exclude<Selection, { id: string }>): Backup[] {
  const reversed = backups.toReversed()
  if (!('at' in selection)) return reversed
  const at = selection.at.getTime()
  // Stable: of two from the same moment the one with the higher sequence comes first.
  return reversed.filter(backup => momentOf(backup) <= at).sort((a, b) => momentOf(b) - momentOf(a))
}

function reasonAgainst(backup: Backup, selection: Exclude<Selection, { id: string }>): string | undefined {
  const { damaged, tiers } = backup.manifest
  if (damaged !== false) return `the database was damaged: ${damaged.reason}`
  if (backup.checked === 'bad') return 'a verification found it bad'
  const unwanted = 'latest' in selection && selection.tier !== 'pre-restore' && tiers.includes('pre-restore')
  return unwanted ? 'made before a restore' : undefined
}

function momentOf({ manifest }: Backup): number {
  return new Date(manifest.createdAt).getTime()
}

function nothing(message: string, backups: readonly Backup[]): LockkeeperError {
  const there =
    backups.length === 0 ? 'There are no backups at all.' : `There are: ${shown(idsOf(backups).toReversed())}.`
  return new LockkeeperError('missing', message, {
    hint: `${there} \`lockkeeper backups\` tells more about them.`,
    details: { backups: idsOf(backups) },
  })
}

function idsOf(backups: readonly Backup[]): string[] {
  return backups.map(({ id }) => id)
}

function shown(items: readonly string[]): string {
  const most = 5
  const rest = items.length > most ? `, and ${items.length - most} more` : ''
  return `${items.slice(0, most).join(', ')}${rest}`
}
