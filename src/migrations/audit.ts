/**
 * Where the application keeps an `audit_trail` of its own (FossaWork's v005 has one), what Lockkeeper changes is recorded
 * there too. A table of that name with other columns is somebody else's and is left alone.
 */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../database/connection.ts'

const needed = ['audit_id', 'table_name', 'record_id', 'action', 'changes_json', 'reason']

export interface AuditEntry {
  readonly version: string
  readonly action: 'migrate' | 'rollback' | 'adopt'
  readonly table: string
  readonly changes: Readonly<Record<string, unknown>>
}

export async function recordAudit(connection: Connection, entries: readonly AuditEntry[]): Promise<void> {
  const columns = await connection.all<{ name: string }>(`SELECT name FROM pragma_table_info('audit_trail')`)
  const names = new Set(columns.map(column => column.name))
  if (!needed.every(name => names.has(name))) return
  for (const { version, action, table, changes } of entries)
    await connection.all(
      `INSERT INTO audit_trail (${needed.join(', ')}) VALUES (?, ?, ?, ?, ?, ?)`,
      `lockkeeper-${randomUUID()}`,
      table,
      version,
      action,
      JSON.stringify(changes),
      'schema migration by Lockkeeper',
    )
}
