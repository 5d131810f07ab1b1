/** A new file for a folder of migrations, named and written like those that are there. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'
import { isMigration, versionOf } from './formats/flat.ts'
import { compareVersions } from './order.ts'

export interface NewMigration {
  readonly version: string
  readonly file: string
}

/**
 * Writes a file with the next number, as wide as the others, or with the time where the others have that, in SQL or as a
 * module like the newest one. A folder that is not there is made.
 * @param name in words; becomes the description
 * @throws LockkeeperError `usage` for a name without a letter or digit; `denied`, `io`
 */
export function newMigration(folder: string, name: string, now: Date): NewMigration {
  const words = name.trim().replaceAll(/\s+/g, ' ')
  const slug = words
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
  if (slug === '')
    throw new LockkeeperError('usage', `"${name}" has nothing that a file could be called by`, {
      hint: 'Say what the migration does: lockkeeper new "add phone numbers".',
    })
  try {
    mkdirSync(folder, { recursive: true })
    const newest = readdirSync(folder)
      // Other tools have a folder for each.
      .filter(found => isMigration(found) || /^\d[^.]*$/.test(found))
      .toSorted((a, b) => compareVersions(versionOf(a), versionOf(b)))
      .at(-1)
    const version = nextPrefix(newest, now) + slug
    const ending = /\.([mc]?[jt]s)$/.exec(newest ?? '')?.[1] ?? 'sql'
    const file = join(folder, `${version}.${ending}`)
    const text = ending === 'sql' ? sqlText(words) : moduleText(words, ending.endsWith('ts'))
    writeFileSync(file, text, { flag: 'wx' })
    return { version, file }
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new LockkeeperError('usage', `there is a migration of that name: ${slug}`, {
        hint: 'Give it another name.',
      })
    throw explainSystemError(error, `cannot write a migration into ${folder}`)
  }
}

/** What stands before the name: `v007_`, `0007_`, `20240229120000_`. */
function nextPrefix(newest: string | undefined, now: Date): string {
  // diesel writes the time with dashes, and takes it without.
  const undashed = newest?.replace(/^(\d{4})-(\d\d)-(\d\d)-(\d{6}).*/, '$1$2$3$4_')
  const [, before = 'v', digits = '000', separator = '_'] = /^(\D*)(\d+)([_-]?)/.exec(undashed ?? '') ?? []
  if (digits.length >= 12) {
    const time = now.toISOString().replaceAll(/\D/g, '')
    return before + time.slice(0, Math.min(digits.length, time.length)) + (separator || '_')
  }
  return before + String(Number(digits) + 1).padStart(digits.length, '0') + (separator || '_')
}

function sqlText(description: string): string {
  return `-- description: ${description}\n\n-- migrate:up\n\n\n-- migrate:down\n\n`
}

function moduleText(description: string, typed: boolean): string {
  const type = typed ? ': MigrationDatabase' : ''
  const imports = typed ? "import type { MigrationDatabase } from 'lockkeeper'\n\n" : ''
  return `${imports}export const description = ${JSON.stringify(description)}

export function up(db${type}) {
  db.exec('')
}

export function down(db${type}) {
  db.exec('')
}
`
}
