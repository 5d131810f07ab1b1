/**
 * One-shot restores as the repository remembers them: `restores/<hash of the value>.json`. Written once the content is in
 * its place, so that one which is there was done; whoever finds it does not restore that value again.
 */
import { hash } from 'node:crypto'
import { formatVersion, largest } from './format.ts'
import { type Origin, readOrigin } from './manifest.ts'
import { putJson, readJson } from './objects.ts'
import type { Repository } from './repository.ts'
import { Untrusted } from './untrusted.ts'

export interface DoneRestore {
  /** What was asked for. */
  readonly value: string
  /** Id of the backup that was restored. */
  readonly backup: string
  /** Id of the backup of what was there before; null: nothing was. */
  readonly safety: string | null
  /** ISO 8601, UTC. */
  readonly at: string
  readonly by: Origin
}

const longestValue = 1000

const keyOf = (value: string): string => `restores/${hash('sha256', value)}.json`

/** Says that it was done. Repeating it is safe: the first word stays. */
export async function recordRestore(repository: Repository, { by, ...done }: DoneRestore): Promise<void> {
  await putJson(repository.store, keyOf(done.value), {
    format: formatVersion,
    repository: repository.id,
    ...done,
    by: { ...by },
  })
}

/** Undefined when it was not done. Rejects with `invalid` when there is something that cannot be read. */
export async function readRestore(repository: Repository, value: string): Promise<DoneRestore | undefined> {
  const key = keyOf(value)
  const json = await readJson(repository.store, key, largest.check)
  if (json === undefined) return undefined
  const fields = new Untrusted(json, key)
  if (!fields.field('repository').is(repository.id)) throw fields.field('repository').error('is another repository')
  if (!fields.field('value').is(value)) throw fields.field('value').error('does not match the name of the object')
  const safety = fields.field('safety')
  return {
    value: fields.field('value').string({ most: longestValue }),
    backup: fields.field('backup').string({ most: 255 }),
    safety: safety.isNull() ? null : safety.string({ most: 255 }),
    at: fields.field('at').moment(),
    by: readOrigin(fields.field('by')),
  }
}
