/** `DATABASE_URL`, as the application itself understands it, to the path of a file. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Takes a path, a `file:` URL, or SQLAlchemy's `sqlite:` URL (a driver as in `sqlite+aiosqlite:` is allowed), where
 * three slashes are relative to the working directory and four are absolute
 * (https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#file-databases). What follows a `?` in a URL is left out.
 * @returns an absolute path
 * @throws Error for anything that names no file, and where three slashes could mean two files that are both there.
 */
export function databasePath(value: string, workingDirectory: string): string {
  if (value === '') throw refuse('it is empty')
  if (/^sqlite(\+\w+)?:/i.test(value)) return sqlAlchemyPath(value, workingDirectory)
  if (/^file:/i.test(value)) return filePath(value, workingDirectory)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) throw refuse(`${value.slice(0, value.indexOf(':'))}: is not SQLite`)
  if (value === ':memory:') throw refuse('a database in memory has nothing to migrate')
  return resolve(workingDirectory, value)
}

function sqlAlchemyPath(value: string, workingDirectory: string): string {
  const rest = value.slice(value.indexOf(':') + 1).replace(/\?.*$/s, '')
  const authority = /^\/\/([^/]*)(?:\/(.*))?$/s.exec(rest)
  if (authority !== null && authority[1] !== '')
    throw refuse(
      'after sqlite:// comes a third slash, for there is no host: sqlite:///relative.db or sqlite:////absolute.db',
    )
  const path = authority === null ? rest : (authority[2] ?? '')
  if (path === '' || path === ':memory:') throw refuse('a database in memory has nothing to migrate')
  const relative = resolve(workingDirectory, path)
  if (authority === null || path.startsWith('/')) return relative
  const absolute = resolve('/', path)
  if (absolute !== relative && existsSync(relative) && existsSync(absolute))
    throw new Error(
      `it has three slashes, which could mean two files that are both there: ${relative} and ${absolute}; write the one that is meant with four slashes, as in sqlite:///${absolute}`,
    )
  return relative
}

function filePath(value: string, workingDirectory: string): string {
  const rest = value.slice('file:'.length)
  try {
    if (rest.startsWith('/')) {
      const url = new URL(value)
      url.search = ''
      url.hash = ''
      return fileURLToPath(url)
    }
    return resolve(workingDirectory, decodeURIComponent(rest.replace(/[?#].*$/s, '')))
  } catch (error) {
    throw refuse(`the file: URL does not name a file: ${(error as Error).message}`)
  }
}

function refuse(why: string): Error {
  return new Error(`${why}; write a path, file:///absolute/path.db or sqlite:////absolute/path.db`)
}
