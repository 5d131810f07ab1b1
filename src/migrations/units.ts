/**
 * A migration that commits by itself, cut into what commits at once: a statement, or everything from its own BEGIN to its
 * COMMIT. After each unit how far it has come is written down, in the very transaction of the unit wherever there can be
 * one, so that a kill leaves both or neither.
 */
import { LockkeeperError } from '../errors.ts'
import { Cursor } from '../schema/cursor.ts'
import { significantTokens } from '../schema/tokens.ts'
import type { Step } from './program.ts'

export interface Unit {
  readonly steps: readonly Step[]
  /**
   * - `statement`: gets a transaction around it
   * - `transaction`: its own, from BEGIN (or SAVEPOINT) to COMMIT (or RELEASE); the last step commits
   * - `undone`: the same with a ROLLBACK at its end
   * - `bare`: cannot be in a transaction, as VACUUM and most pragmas; done twice it does no more than once
   */
  readonly kind: 'statement' | 'transaction' | 'undone' | 'bare'
  /** So many statements of the script are done once it is. */
  readonly end: number
}

/**
 * @param steps of a program that does not run inside Lockkeeper's transaction
 * @throws LockkeeperError `invalid` for a temporary table outside of a transaction of the file's own: a kill would lose it
 */
export function unitsOf(steps: readonly Step[], version: string, file: string): Unit[] {
  const units: Unit[] = []
  let own: Step[] = []
  let open: readonly string[] = []
  for (const group of stepsByStatement(steps)) {
    const [{ head = [], statement }] = group as [Step, ...Step[]]
    const end = statement + 1
    const wasOpen = open.length > 0
    open = openAfter(open, head)
    if (!wasOpen && open.length === 0) {
      if (head[0] === 'CREATE' && isTemporary(group[0]!.sql)) throw lostByKill(version, file, group[0]!)
      units.push({ steps: group, kind: isBare(head) || endsOne(head) ? 'bare' : 'statement', end })
      continue
    }
    own.push(...group)
    if (open.length > 0) continue
    units.push({ steps: own, kind: head[0] === 'ROLLBACK' ? 'undone' : 'transaction', end })
    own = []
  }
  // Refused when the program was read; SQLite would say that it was left open.
  if (own.length > 0) units.push({ steps: own, kind: 'bare', end: own.at(-1)!.statement + 1 })
  return units
}

/** Settings of the connection that what follows relies on: they are gone after a kill, and made again before it goes on. */
export function settingsBefore(units: readonly Unit[], done: number): Step[] {
  return units
    .filter(({ end }) => end <= done)
    .flatMap(({ kind, steps }) => {
      const kept =
        kind === 'transaction' || kind === 'undone' ? settings : new RegExp(`${settings.source}|${outside.source}`)
      return steps.filter(({ head = [] }) => head[0] === 'PRAGMA' && kept.test(head.join(' ')))
    })
}

const settings = /\b(CASE_SENSITIVE_LIKE|IGNORE_CHECK_CONSTRAINTS|LEGACY_ALTER_TABLE|RECURSIVE_TRIGGERS)$/
/** Without effect inside a transaction, or with none beyond it. */
const outside = /\b(AUTO_VACUUM|DEFER_FOREIGN_KEYS|FOREIGN_KEYS|PAGE_SIZE)$/

function stepsByStatement(steps: readonly Step[]): Step[][] {
  const groups: Step[][] = []
  for (const step of steps) {
    const last = groups.at(-1)
    if (last?.[0]?.statement === step.statement) last.push(step)
    else groups.push([step])
  }
  return groups
}

/** What is open after a statement: a transaction that BEGIN began, without a name, and savepoints by theirs, the outermost first. */
function openAfter(open: readonly string[], [first, second = '', ...rest]: readonly string[]): readonly string[] {
  if (first === 'BEGIN') return [...open, '']
  if (first === 'SAVEPOINT') return [...open, second]
  if (first === 'COMMIT' || first === 'END') return []
  if (first === 'ROLLBACK') return second === 'TO' || (second === 'TRANSACTION' && rest[0] === 'TO') ? open : []
  if (first !== 'RELEASE') return open
  // With a savepoint all those go that were made after it; of one name, the last is meant.
  const at = open.lastIndexOf(second === 'SAVEPOINT' ? (rest[0] ?? second) : second)
  return at === -1 ? open : open.slice(0, at)
}

/** Where nothing is open, SQLite refuses it: that has to be found before it is written down as done. */
function endsOne([first]: readonly string[]): boolean {
  return first === 'COMMIT' || first === 'END' || first === 'ROLLBACK' || first === 'RELEASE'
}

function isBare([first]: readonly string[]): boolean {
  return first === 'VACUUM' || first === 'PRAGMA' || first === 'ATTACH' || first === 'DETACH'
}

function isTemporary(sql: string): boolean {
  const cursor = new Cursor(significantTokens(sql))
  if (!cursor.takes('CREATE')) return false
  if (cursor.takes('TEMP') || cursor.takes('TEMPORARY')) return true
  // What is made: TABLE, VIRTUAL TABLE, UNIQUE INDEX, ...
  if (!cursor.takes('VIRTUAL')) cursor.takes('UNIQUE')
  cursor.skip()
  if (cursor.takes('IF', 'NOT')) cursor.takes('EXISTS')
  return cursor.word() === 'TEMP' && cursor.takes('.')
}

function lostByKill(version: string, file: string, { line }: Step): LockkeeperError {
  return new LockkeeperError(
    'invalid',
    `${version} makes something temporary at ${file}:${line}, and commits by itself: stopped in the middle, what it holds would be lost`,
    {
      hint: 'Nothing of it was run. Put what needs it between BEGIN and COMMIT, or use an ordinary table and drop it at the end.',
      details: { version },
    },
  )
}
