/** Runs a migration in a replay and keeps what SQLite says of each of its statements. */
import { type Access, type Guard, SqliteError, type Workspace } from '../database/connection.ts'
import { type Applied, applyScript, upOf } from '../migrations/apply.ts'
import type { Migration } from '../migrations/model.ts'
import { programOf, type Step } from '../migrations/program.ts'
import { type Statement, split } from '../migrations/split.ts'

export interface ObservedStatement {
  readonly statement: Statement
  /** Line of the file, from 1. */
  readonly line: number
  readonly accesses: readonly Access[]
  /** Views and triggers of which SQLite has rewritten the text. */
  readonly rewritten: readonly string[]
  /** Number of objects in the schema that it made. */
  readonly made: number
}

export interface Observed {
  readonly applied: Applied
  /** None of a module, whose statements nobody sees. */
  readonly statements: readonly ObservedStatement[]
}

/** In the caller's transaction, if the migration runs in one. Throws as `applyScript` does. */
export async function observe(workspace: Workspace, migration: Migration): Promise<Observed> {
  const statements: ObservedStatement[] = []
  const lineOf = linesOf(migration)
  const one = async (sql: string, guard: Guard): Promise<string[]> => {
    const [statement] = split(sql)
    const isPragma = statement?.head[0] === 'PRAGMA'
    const accesses = isPragma ? [] : await compiled(workspace, sql)
    const before = await objectsOf(workspace)
    const touched = await workspace.run([sql], guard)
    const after = await objectsOf(workspace)
    const rewritten = [...after.bodies].filter(([name, text]) => (before.bodies.get(name) ?? text) !== text)
    if (statement !== undefined && !isPragma)
      statements.push({
        statement,
        line: lineOf(sql),
        accesses,
        rewritten: rewritten.map(([name]) => name),
        made: after.count - before.count,
      })
    return touched
  }
  const watched: Workspace = {
    all: (sql, ...params) => workspace.all(sql, ...params),
    exec: sql => workspace.exec(sql),
    accesses: sql => workspace.accesses(sql),
    runScript: (call, guard) => workspace.runScript(call, guard),
    close: () => workspace.close(),
    run: async (list, guard) => {
      // Its own BEGIN and COMMIT belong together.
      if (guard.ownTransactions) return workspace.run(list, guard)
      const touched = new Set<string>()
      for (const [position, sql] of list.entries())
        try {
          for (const table of await one(sql, guard)) touched.add(table)
        } catch (error) {
          throw error instanceof SqliteError ? new SqliteError(error.message, error.errcode, position) : error
        }
      return [...touched]
    },
  }
  return { applied: await applyScript(watched, upOf(migration)), statements }
}

/** What cannot be compiled is refused when it is run, which says why. */
async function compiled(workspace: Workspace, sql: string): Promise<Access[]> {
  try {
    return await workspace.accesses(sql)
  } catch (error) {
    if (error instanceof SqliteError) return []
    throw error
  }
}

async function objectsOf(workspace: Workspace) {
  const rows = await workspace.all<{ type: string; name: string; sql: string | null }>(
    'SELECT type, name, sql FROM main.sqlite_schema',
  )
  const bodies = rows.filter(({ type }) => type === 'view' || type === 'trigger')
  return { count: rows.length, bodies: new Map(bodies.map(({ type, name, sql }) => [`${type} ${name}`, sql])) }
}

/** Statements come in the order of the file; a rename may be tried twice, and pragmas around it stand in no file. */
function linesOf({ up, directives }: Migration): (sql: string) => number {
  const steps: readonly Step[] = up.kind === 'sql' ? programOf(up.sql, up.line, directives.transaction).steps : []
  let current = 0
  let next = 0
  return sql => {
    const found = steps.findIndex((step, position) => position >= next && step.sql === sql)
    if (found !== -1) {
      current = found
      next = found + 1
    }
    return steps[current]?.line ?? 1
  }
}
