/** The folders of this machine that a container mounts: the application's volume, its migrations and its backups. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { application, type Setting } from './container.ts'

export class Place {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockkeeper-image-')))
  readonly volume = this.own('volume')
  readonly repository = this.own('repository')
  readonly migrations = this.own('migrations')
  /** The database as this machine sees it. */
  readonly database = join(this.volume, 'app.db')

  constructor() {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  /** A folder that belongs to the application and that nobody else may enter. */
  own(name: string): string {
    const path = join(this.folder, name)
    mkdirSync(path)
    giveTo(path, 0o700)
    return path
  }

  /** A file that belongs to the application. */
  file(path: string, content: string, mode = 0o640): string {
    writeFileSync(path, content)
    giveTo(path, mode)
    return path
  }

  migration(name: string, text: string): void {
    this.file(join(this.migrations, name), text)
  }

  /** What a container gets to see of it, and the settings that say where; the volume under a path of one's own choice. */
  seenFrom(
    setting: Pick<Setting, 'engine' | 'image'>,
    at = '/data',
  ): Setting & Required<Pick<Setting, 'mounts' | 'env'>> {
    return {
      ...setting,
      mounts: {
        [at]: this.volume,
        '/backups': this.repository,
        '/migrations': `${this.migrations}:ro`,
      },
      env: { DATABASE_URL: `${at}/app.db`, LOCKKEEPER_REPOSITORY: 'file:///backups', LOCKKEEPER_LOG_FORMAT: 'json' },
    }
  }
}

/** Owner, group and mode, as `ls` shows them. */
export function ownership(path: string): { uid: number; gid: number; mode: string } {
  const { uid, gid, mode } = statSync(path)
  return { uid, gid, mode: (mode & 0o7777).toString(8) }
}

/** Everything in a folder that does not belong to the application. */
export async function foreignFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  const files = await Promise.all(names.map(async name => ({ name, ...(await stat(join(folder, name))) })))
  return files.filter(({ uid, gid }) => uid !== application.uid || gid !== application.gid).map(({ name }) => name)
}

function giveTo(path: string, mode: number): void {
  chmodSync(path, mode)
  chownSync(path, application.uid, application.gid)
}
