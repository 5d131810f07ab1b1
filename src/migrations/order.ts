/** The order in which migrations run: dependencies first, otherwise by version, where numbers count as numbers. */
import type { Migration } from './model.ts'

/**
 * `v2` before `v10`; names that differ only in leading zeros still have one order. Letters go by their code, so that the
 * order is the same on every machine.
 */
export function compareVersions(a: string, b: string): number {
  return compareUndashed(undashed(a), undashed(b)) || compareTexts(a, b)
}

function compareUndashed(a: string, b: string): number {
  return compareQuickly(a, b) ?? (compareParts(partsOf(a), partsOf(b)) || compareTexts(a, b))
}

/** diesel writes the time at the beginning of a name with dashes; others, and diesel as well, without. */
function undashed(version: string): string {
  if (version.charCodeAt(4) !== 0x2d) return version
  return version.replace(/^(\d{4})-(\d\d)-(\d\d)-(\d{6})/, '$1$2$3$4')
}

/**
 * By the first character that differs, which nearly always suffices: where neither is a digit, or both are, in numbers
 * that end at the same place. Thousands of versions are compared at each start.
 */
function compareQuickly(a: string, b: string): number | undefined {
  let at = 0
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++
  if (at === a.length || at === b.length) return at === a.length && at === b.length ? 0 : undefined
  const [left, right] = [isDigit(a, at), isDigit(b, at)]
  if (left !== right) return undefined
  let end = at
  while (isDigit(a, end) && isDigit(b, end)) end++
  return isDigit(a, end) || isDigit(b, end) ? undefined : a.charCodeAt(at) - b.charCodeAt(at)
}

/** False behind the end. */
function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
}

/** Runs of digits, and what is between them. */
function partsOf(version: string): readonly string[] {
  return version.match(/\d+|\D+/g) ?? []
}

function compareParts(left: readonly string[], right: readonly string[]): number {
  for (const [at, part] of left.entries()) {
    const other = right[at]
    if (other === undefined) return 1
    const order = isDigit(part, 0) && isDigit(other, 0) ? compareNumbers(part, other) : compareTexts(part, other)
    if (order !== 0) return order
  }
  return left.length - right.length
}

function compareNumbers(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return left.length - right.length || compareTexts(left, right)
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Migrations that run in this sequence whatever their names say: each depends on those before it that would come after it
 * by name. Names in the sequence that there are no migrations of are passed over.
 */
export function inSequence(migrations: readonly Migration[], sequence: readonly string[]): readonly Migration[] {
  const before = new Map<string, readonly string[]>()
  // The highest first: of a sequence that is in order, none is looked at but the last one.
  const seen: string[] = []
  for (const version of sequence) {
    const place = seen.findIndex(other => compareVersions(other, version) < 0)
    const higher = place === -1 ? [...seen] : seen.slice(0, place)
    if (higher.length > 0) before.set(version, higher)
    seen.splice(higher.length, 0, version)
  }
  if (before.size === 0) return migrations
  return migrations.map(migration => {
    const more = before.get(migration.version)
    return more === undefined
      ? migration
      : { ...migration, dependencies: [...new Set([...migration.dependencies, ...more])] }
  })
}

export interface Ordered {
  readonly migrations: readonly Migration[]
  /** Duplicate versions, unknown dependencies, cycles: a sentence each. Empty when the order is sound. */
  readonly problems: readonly string[]
}

/**
 * Pure. Among those whose dependencies are met, the lowest version comes first.
 * @param others versions that are there as well, and that cannot be read; a dependency on one is none of its problems
 */
export function orderMigrations(migrations: readonly Migration[], others: ReadonlySet<string> = new Set()): Ordered {
  const sorted = migrations.toSorted((a, b) => compareVersions(a.version, b.version))
  const byVersion = new Map<string, Migration>()
  const problems: string[] = []
  for (const migration of sorted) {
    const other = byVersion.get(migration.version)
    if (other === undefined) byVersion.set(migration.version, migration)
    else problems.push(`version ${migration.version} is there twice: ${other.file} and ${migration.file}`)
  }
  for (const { version, dependencies } of sorted)
    for (const dependency of new Set(dependencies))
      if (!byVersion.has(dependency) && !others.has(dependency))
        problems.push(`${version} depends on ${dependency}, which is not there`)
  const ordered = inOrder(byVersion)
  const done = new Set(ordered)
  problems.push(...cyclesIn([...byVersion.values()].filter(migration => !done.has(migration))))
  return { migrations: problems.length > 0 ? sorted : ordered, problems }
}

/** Those that can come in some order; what is in a cycle, or behind one, is left out. The map is sorted by version. */
function inOrder(byVersion: ReadonlyMap<string, Migration>): Migration[] {
  const rank = new Map([...byVersion.keys()].map((version, at) => [version, at]))
  const unmet = new Map<string, number>()
  const dependants = new Map<string, Migration[]>()
  const ready: Migration[] = []
  for (const migration of byVersion.values()) {
    const needed = [...new Set(migration.dependencies)].filter(version => byVersion.has(version))
    unmet.set(migration.version, needed.length)
    if (needed.length === 0) ready.push(migration)
    for (const version of needed) {
      const others = dependants.get(version)
      if (others === undefined) dependants.set(version, [migration])
      else others.push(migration)
    }
  }
  const ordered: Migration[] = []
  // Taken from the end of the list, so it is kept from the highest to the lowest.
  ready.reverse()
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    ordered.push(next)
    for (const dependant of dependants.get(next.version) ?? []) {
      const left = unmet.get(dependant.version)! - 1
      unmet.set(dependant.version, left)
      if (left === 0) insert(ready, dependant, rank)
    }
  }
  return ordered
}

function insert(ready: Migration[], migration: Migration, rank: ReadonlyMap<string, number>): void {
  const place = rank.get(migration.version)!
  let [from, to] = [0, ready.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (rank.get(ready[middle]!.version)! > place) from = middle + 1
    else to = middle
  }
  ready.splice(from, 0, migration)
}

/** Every one of these depends on another one of them: from any, the way along the dependencies ends in a circle. */
function cyclesIn(left: readonly Migration[]): string[] {
  const stuck = new Map(left.map(migration => [migration.version, migration]))
  const seen = new Set<string>()
  const problems: string[] = []
  for (const { version } of left) {
    const path: string[] = []
    let next: string | undefined = version
    while (next !== undefined && !seen.has(next)) {
      seen.add(next)
      path.push(next)
      next = stuck.get(next)?.dependencies.find(dependency => stuck.has(dependency))
    }
    const start = path.indexOf(next ?? '')
    if (start !== -1)
      problems.push(`these depend on each other in a circle: ${[...path.slice(start), next].join(' -> ')}`)
  }
  return problems
}
