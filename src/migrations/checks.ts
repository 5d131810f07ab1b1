/**
 * The application's own checks: `checks/*.sql` in the folder of migrations, each one statement that returns the rows that
 * ought not to be there.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LockkeeperError, messageOf, systemCode } from '../errors.ts'
import { leadingSqlComment } from './comments.ts'
import { split } from './split.ts'
import { decodeText } from './text.ts'

const folderName = 'checks'

export interface ApplicationCheck {
  /** The file's name without its ending. */
  readonly name: string
  readonly file: string
  /** The first line of its comment; empty without one. */
  readonly description: string
  readonly sql: string
}

/**
 * In the order of their names; none where there is no such folder.
 * @throws LockkeeperError `invalid` with everything that is wrong with any of the files
 */
export function loadChecks(migrations: string): readonly ApplicationCheck[] {
  const folder = join(migrations, folderName)
  const checks: ApplicationCheck[] = []
  const problems: string[] = []
  for (const name of namesIn(folder)) {
    const file = join(folder, name)
    try {
      const text = decodeText(readFileSync(file))
      const [statement, another] = split(text)
      if (statement === undefined) throw new Error('it has no statement')
      if (another !== undefined) throw new Error(`line ${another.line} begins a second statement: a check is one`)
      const description = leadingSqlComment(text)
      checks.push({ name: name.replace(/\.sql$/i, ''), file, description, sql: statement.sql.replace(/;\s*$/, '') })
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`)
    }
  }
  if (problems.length > 0)
    throw new LockkeeperError('invalid', `the checks in ${folder} are not sound:\n  ${problems.join('\n  ')}`, {
      hint: 'Nothing was touched. Mend the files and run again.',
      details: { problems },
    })
  return checks
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => /\.sql$/i.test(name) && !name.startsWith('.'))
      .sort()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw new LockkeeperError('config', `the folder of checks cannot be read: ${messageOf(error)}`, {
      hint: 'Check its permissions.',
      cause: error,
    })
  }
}
