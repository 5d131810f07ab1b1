/** Checks a folder of migrations without a database: replays it in memory, and asks SQLite what each statement does. */
import { LockkeeperError } from '../errors.ts'
import { openReplay } from '../migrations/expected.ts'
import { loadMigrations } from '../migrations/load.ts'
import type { Migration } from '../migrations/model.ts'
import { undoes } from '../migrations/rollback.ts'
import type { Found, LintFinding, Silenced } from './finding.ts'
import { columnLosses, rowLosses } from './losses.ts'
import { lostObjects } from './rebuilds.ts'
import { notRunning, replayForRules, replayOnly } from './replay.ts'
import { isRule, rules } from './rules.ts'
import { ifNotExists, nonDeterministic, renamesInUse } from './statements.ts'

export interface LintOptions {
  /** Folder of the migrations. */
  readonly migrations: string
  /** Look only at what comes after this version. Default all. */
  readonly since?: string
  readonly signal?: AbortSignal
}

export interface LintReport {
  readonly folder: string
  /** The versions that were looked at. */
  readonly versions: readonly string[]
  /** No rule of the severity `fail` is hit. */
  readonly sound: boolean
  /** By file, then by line. */
  readonly findings: readonly LintFinding[]
  readonly silenced: readonly Silenced[]
  /** The one that does not run, behind which nothing could be looked at. */
  readonly stoppedAt: string | null
}

/** @throws LockkeeperError `invalid` where the files cannot even be read as migrations; `missing` for an unknown `since` */
export async function lint({ migrations: folder, since, signal }: LintOptions): Promise<LintReport> {
  const all = await loadMigrations(folder)
  const old = since === undefined ? 0 : positionOf(since, all) + 1
  const findings: LintFinding[] = []
  const silenced: Silenced[] = []
  let stoppedAt: string | null = null
  const memory = await openReplay(all, signal)
  try {
    for (const [position, migration] of all.entries()) {
      signal?.throwIfAborted()
      try {
        if (position < old) await replayOnly(memory, migration)
        else sort(await foundIn(memory, migration), migration, findings, silenced)
      } catch (error) {
        if (!(error instanceof LockkeeperError) || !['failed', 'invalid'].includes(error.code)) throw error
        sort([notRunning(error)], migration, findings, silenced)
        stoppedAt = migration.version
        break
      }
    }
  } finally {
    await memory.close()
  }
  const versions = all.slice(old).map(({ version }) => version)
  return {
    folder,
    versions,
    sound: !findings.some(({ severity }) => severity === 'fail'),
    findings,
    silenced,
    stoppedAt,
  }
}

function positionOf(version: string, all: readonly Migration[]): number {
  const position = all.findIndex(migration => migration.version === version)
  if (position !== -1) return position
  throw new LockkeeperError('missing', `there is no migration ${version}`, {
    hint: `Known are: ${all.map(migration => migration.version).join(', ')}.`,
  })
}

async function foundIn(memory: Awaited<ReturnType<typeof openReplay>>, migration: Migration): Promise<Found[]> {
  const [replayed, found] = await replayForRules(memory, migration)
  for (const rule of [rowLosses, columnLosses, lostObjects, renamesInUse, ifNotExists, nonDeterministic])
    found.push(...rule(replayed))
  return [...found, ...aboutFile(migration)]
}

function* aboutFile({ down, lintIgnore, up }: Migration): Generator<Found> {
  if (down === undefined) yield { rule: 'no-down', message: 'it has no down' }
  else if (!undoes(down, up)) yield { rule: 'no-down', message: 'its down is empty' }
  for (const { rule } of lintIgnore)
    if (!isRule(rule))
      yield { rule: 'unknown-rule', message: `there is no rule ${rule} (known: ${Object.keys(rules).join(', ')})` }
}

/** What a directive of the file silences goes by itself. */
function sort(
  found: readonly Found[],
  { file, lintIgnore, up, version }: Migration,
  findings: LintFinding[],
  silenced: Silenced[],
): void {
  const first = up.kind === 'sql' ? up.line : 1
  const seen = new Set<string>()
  const sorted = found.map(each => ({ ...each, line: each.line ?? first })).toSorted((a, b) => a.line - b.line)
  for (const { rule, line, message } of sorted) {
    const finding = { rule, severity: rules[rule].severity, version, file, line, message }
    const key = JSON.stringify(finding)
    if (seen.has(key)) continue
    seen.add(key)
    const ignored = lintIgnore.find(each => each.rule === rule)
    if (ignored === undefined) findings.push(finding)
    else silenced.push({ ...finding, reason: ignored.reason })
  }
}
