/** What is said of a migration that failed: where, why, and what to do about it. */
import { SqliteError } from '../database/connection.ts'
import { explainSqliteError } from '../database/explain.ts'
import { LockkeeperError, messageOf } from '../errors.ts'

/**
 * @param where file and line
 * @param statement the one that SQLite refused
 */
export function failure(version: string, error: unknown, where: string, statement?: string): unknown {
  const explained = explainSqliteError(error, `${version} stopped at ${where}`)
  if (explained instanceof LockkeeperError) return explained
  const message = messageOf(error)
  const shown = statement === undefined ? '' : `\n  ${excerpt(statement)}`
  const code = error instanceof SqliteError && isInvalid.test(message) ? 'invalid' : 'failed'
  return new LockkeeperError(code, `${version} failed at ${where}: ${message}${shown}`, {
    hint: hintFor(message),
    cause: error,
    details: { version, where, ...(statement === undefined ? {} : { statement: excerpt(statement) }) },
  })
}

/** A misspelt function looks the same to SQLite. */
const needsApplication = /no such (function|collation sequence|module)|unknown function/

const ownRecord = /Lockkeeper's own record/
const isInvalid = new RegExp(`${needsApplication.source}|${ownRecord.source}`)

const outsideTransaction =
  /cannot VACUUM from within a transaction|PRAGMA (auto_vacuum|incremental_vacuum|journal_mode|page_size)/i

function hintFor(message: string): string {
  if (/should this be a string literal in single-quotes/.test(message))
    return 'In SQL a string stands in single quotes; double quotes are for names. Where that cannot be mended, as in another tool\'s file or a trigger of it that fires: "double_quoted_strings" in lockkeeper.json.'
  if (/no such function|unknown function/.test(message))
    return 'If the name is right, only the application defines it: write this migration as a module (.ts), which can define functions.'
  if (ownRecord.test(message))
    return 'Lockkeeper records there what it has done, and nothing else may. Give the table of the migration another name, or take the statement out.'
  if (needsApplication.test(message))
    return 'If the name is right, only the application has it, and Lockkeeper cannot run this: make the change without it.'
  if (/error in (view|trigger) \S+: /.test(message))
    return 'It did not work before, and SQLite renames nothing beside it: mend or drop it earlier in this migration (IF EXISTS, where no migration made it).'
  if (outsideTransaction.test(message))
    return 'It cannot run in a transaction: put it into a migration of its own, with a line "-- transaction: off" before the first statement (or "transaction": "off" in lockkeeper.json, for a file of another tool).'
  if (/begins a transaction that the file does not end/.test(message)) return 'Add the COMMIT that is missing.'
  return 'Mend the migration, or take it out of the release, and deploy again.'
}

function excerpt(sql: string): string {
  const line = sql.replace(/\s+/g, ' ').trim()
  return line.length <= 200 ? line : `${line.slice(0, 199)}…`
}
