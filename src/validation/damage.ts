/**
 * Whether the file of a database is damaged: pages, freelist and records that do not fit together. What is merely wrong
 * with values (CHECK, NOT NULL, the types of STRICT tables) or with a full-text index, which can be built anew, is
 * reported by `validate` and is no damage.
 */
import { type Connection, SqliteError } from '../database/connection.ts'
import { type Finding, isOfTheApplication } from './findings.ts'
import { integrityCheck, quickCheck } from './integrity.ts'

/** Large enough that wrong values of one table do not keep damage from being seen. */
const atMost = 10_000
const shown = 5
const ofValues = /^(?:CHECK constraint failed in|NULL value in) /
const noDamage = /^(?:NUMERIC|TEXT|non-\w+) value in |inverted index/

/**
 * `PRAGMA quick_check` (about 1.3 s a GB), and where that needs something that only the application defines, of each table
 * by itself.
 * @param thorough `integrity_check` instead: every index against its table as well, about 10 s a GB
 * @returns the first findings as one text; undefined: no damage
 * @throws SqliteError when it could not be looked at for another reason, such as an I/O error
 */
export async function findDamage(connection: Connection, thorough = false): Promise<string | undefined> {
  try {
    await connection.exec('PRAGMA ignore_check_constraints = ON')
    const whole = await (thorough ? integrityCheck(connection, atMost) : quickCheck(connection, undefined, atMost))
    const findings = whole.some(({ message }) => isOfTheApplication(message))
      ? await quickCheck(connection, await tableNames(connection), atMost)
      : whole
    const damage = findings.filter(isDamage)
    if (damage.length === 0) return undefined
    const more = damage.length > shown ? `; and ${damage.length - shown} more` : ''
    return `${damage
      .slice(0, shown)
      .map(({ message }) => plain(message))
      .join('; ')}${more}`
  } catch (error) {
    // A schema that cannot be read.
    if (error instanceof SqliteError && error.primary === corrupt) return error.message
    throw error
  } finally {
    await connection.exec('PRAGMA ignore_check_constraints = OFF')
  }
}

/** Of what `integrity_check` or `quick_check` found: whether it says that the file is damaged. */
export function isDamage({ message, severity }: Finding): boolean {
  return severity === 'fail' && !ofValues.test(message) && !noDamage.test(message)
}

/** Whether it says that a row breaks NOT NULL or a CHECK. */
export function isOfValues({ message }: Finding): boolean {
  return ofValues.test(message)
}

function plain(message: string): string {
  return message.replace(/^PRAGMA (?:quick|integrity)_check.* could not run: /, '').slice(0, 500)
}

/** SQLITE_CORRUPT */
const corrupt = 11

async function tableNames(connection: Connection): Promise<string[]> {
  const tables = await connection.all<{ name: string }>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`)
  return tables.map(({ name }) => name)
}
