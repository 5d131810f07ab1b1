/** A migration that stops in the middle, with the database locked and changed, until the test lets it go on. */
import { existsSync, watch } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Setting } from './container.ts'
import type { Place } from './place.ts'

/** Where a container finds the folder of the gate. */
const mountPoint = '/gate'

/** In a replay there are no rows, and nothing to wait for. */
const migration = `import { existsSync, writeFileSync } from 'node:fs'

export const description = 'a change that takes its time'

export function up(db) {
  db.exec("UPDATE people SET name = 'changed'")
  if (db.get('SELECT count(*) AS n FROM people').n === 0) return
  writeFileSync('${mountPoint}/inside', '')
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync('${mountPoint}/open')) Atomics.wait(clock, 0, 0, 10)
}
`

export class Gate {
  readonly #place: Place
  readonly #folder: string

  /** Puts the migration among those of the place; `people` has to be a table with a `name`. */
  constructor(place: Place, file = 'v002_slow.mjs') {
    this.#place = place
    this.#folder = place.own('gate')
    place.migration(file, migration)
  }

  /** The setting of a container that is to stop here. */
  in(setting: Setting): Setting {
    return { ...setting, mounts: { ...setting.mounts, [mountPoint]: this.#folder } }
  }

  /** Resolves when the migration is in the middle. */
  async reached(): Promise<void> {
    await appears(join(this.#folder, 'inside'))
  }

  /** Lets it go on. */
  open(): void {
    this.#place.file(join(this.#folder, 'open'), '')
  }
}

async function appears(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${path} did not appear`)), 30_000)
    const done = () => {
      clearTimeout(late)
      watcher.close()
      resolve()
    }
    const watcher = watch(dirname(path), () => existsSync(path) && done())
    if (existsSync(path)) done()
  })
}
