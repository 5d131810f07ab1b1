/** What retention never removes, whatever the policy says. */

import type { RetentionFacts } from './retention.ts'

/**
 * Milliseconds. A deploy that was restarted may use the backup that an attempt in the last 24 hours made instead of making
 * another (`unchanged.ts`); twice that, as clocks differ.
 */
const reliedOn = 48 * 60 * 60 * 1000

interface Protected {
  readonly backup: RetentionFacts
  readonly reason: string
}

/** `newestFirst`: all there are, by sequence. A backup may come several times, with a reason each. */
export function* protectedBackups(newestFirst: readonly RetentionFacts[], now: number): Iterable<Protected> {
  for (const backup of newestFirst) if (backup.pinned) yield { backup, reason: 'pinned' }
  yield* lastGood(newestFirst)
  const verified = newestFirst.find(backup => backup.verified && backup.flaw === undefined)
  if (verified !== undefined) yield { backup: verified, reason: 'last verified' }
  yield* newestOfLevels(newestFirst)
  yield* failingDeploys(newestFirst)
  yield* inUse(newestFirst, now)
}

/** What `restore --latest` would take. Where nothing is known to be good, the newest is better than none. */
function* lastGood(newestFirst: readonly RetentionFacts[]): Iterable<Protected> {
  const good = newestFirst.filter(({ flaw }) => flaw === undefined)
  const backup = good.find(({ tiers }) => !tiers.includes('pre-restore')) ?? good[0]
  if (backup !== undefined) yield { backup, reason: 'last good' }
  else if (newestFirst[0] !== undefined) yield { backup: newestFirst[0], reason: 'newest, though not good' }
}

/**
 * The way back of an older image, or of a down that is stored in the database: the newest state before the level after
 * it was reached.
 */
function* newestOfLevels(newestFirst: readonly RetentionFacts[]): Iterable<Protected> {
  const levels = Map.groupBy(newestFirst, ({ level }) => level)
  for (const [level, backups] of levels) {
    const backup = soundOr(backups)[0]
    if (backup !== undefined) yield { backup, reason: `newest at ${level ?? 'no level'}` }
  }
}

/** Deploys that follow each other at one level: all but perhaps the last of them failed. */
function* failingDeploys(newestFirst: readonly RetentionFacts[]): Iterable<Protected> {
  let series: RetentionFacts[] = []
  for (const [position, backup] of newestFirst.entries()) {
    if (position > 0 && newestFirst[position - 1]?.level !== backup.level) {
      yield* ends(series)
      series = []
    }
    if (backup.tiers.includes('pre-migration')) series.push(backup)
  }
  yield* ends(series)
}

function* ends(series: readonly RetentionFacts[]): Iterable<Protected> {
  if (series.length < 2) return
  const at = `of the failed deploys at ${series[0]?.level ?? 'no level'}`
  const sound = soundOr(series)
  if (sound[0] !== undefined) yield { backup: sound[0], reason: `newest ${at}` }
  const first = sound.at(-1)
  if (first !== undefined) yield { backup: first, reason: `first ${at}` }
}

/** By either clock: that of this machine, or that of the newest backup. */
function* inUse(newestFirst: readonly RetentionFacts[], now: number): Iterable<Protected> {
  const newest = newestFirst[0]?.createdAt ?? now
  for (const backup of newestFirst) {
    const { createdAt, tiers } = backup
    if (!tiers.includes('pre-migration') && !tiers.includes('pre-restore')) continue
    if (Math.min(Math.abs(now - createdAt), Math.abs(newest - createdAt)) <= reliedOn)
      yield { backup, reason: 'a job may still rely on it' }
  }
}

/** Those that nothing is known against; all where there is no such one. */
function soundOr(backups: readonly RetentionFacts[]): readonly RetentionFacts[] {
  const sound = backups.filter(({ flaw }) => flaw === undefined)
  return sound.length > 0 ? sound : backups
}
