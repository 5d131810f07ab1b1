/** The order in which migrations run: dependencies first, otherwise by version, where numbers count as numbers. */
import type { Migration } from './model.ts'

const byNumbers = new Intl.Collator('en', { numeric: true, sensitivity: 'variant' })

/** `v2` before `v10`; names that differ only in leading zeros or case still have one order. */
export function compareVersions(a: string, b: string): number {
  return byNumbers.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)
}

export interface Ordered {
  readonly migrations: readonly Migration[]
  /** Duplicate versions, unknown dependencies, cycles: a sentence each. Empty when the order is sound. */
  readonly problems: readonly string[]
}

/** Pure. Among those whose dependencies are met, the lowest version comes first. */
export function orderMigrations(migrations: readonly Migration[]): Ordered {
  const problems: string[] = []
  const sorted = migrations.toSorted((a, b) => compareVersions(a.version, b.version))
  const byVersion = new Map<string, Migration>()
  for (const migration of sorted) {
    const other = byVersion.get(migration.version)
    if (other !== undefined)
      problems.push(`version ${migration.version} is there twice: ${other.file} and ${migration.file}`)
    byVersion.set(migration.version, migration)
  }
  for (const { version, dependencies } of sorted)
    for (const dependency of dependencies)
      if (!byVersion.has(dependency)) problems.push(`${version} depends on ${dependency}, which is not there`)
  if (problems.length > 0) return { migrations: sorted, problems }

  const ordered: Migration[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (migration: Migration, path: readonly string[]): void => {
    if (state.get(migration.version) === 'done') return
    if (state.get(migration.version) === 'open') {
      const cycle = path.slice(path.indexOf(migration.version))
      problems.push(`these depend on each other in a circle: ${[...cycle, migration.version].join(' -> ')}`)
      return
    }
    state.set(migration.version, 'open')
    for (const dependency of migration.dependencies.toSorted(compareVersions)) {
      const needed = byVersion.get(dependency)
      if (needed !== undefined) visit(needed, [...path, migration.version])
    }
    state.set(migration.version, 'done')
    ordered.push(migration)
  }
  for (const migration of sorted) visit(migration, [])
  return { migrations: ordered, problems }
}
