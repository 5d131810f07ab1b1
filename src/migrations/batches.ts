/** Pending migrations as batches: each batch is one transaction. Nearly always there is just one. */
import type { Migration } from './model.ts'

export interface Batch {
  readonly migrations: readonly Migration[]
  /** False: a single migration that commits by itself. */
  readonly transaction: boolean
  /** Whether foreign keys are enforced while it runs; the pragma does nothing inside a transaction. */
  readonly foreignKeys: boolean
}

export function batchesOf(pending: readonly Migration[]): Batch[] {
  const batches: (Batch & { readonly migrations: Migration[] })[] = []
  for (const migration of pending) {
    const { transaction, foreignKeys } = migration.directives
    const last = batches.at(-1)
    if (last !== undefined && transaction && last.transaction && last.foreignKeys === foreignKeys)
      last.migrations.push(migration)
    else batches.push({ migrations: [migration], transaction, foreignKeys })
  }
  return batches
}
