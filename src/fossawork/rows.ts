/** What is made of V1 files: rows for the tables of V2. */
import { createHash } from 'node:crypto'
import type { LateCell, NewRow } from '../job/rows/model.ts'
import type { UserFile, V1Files } from './files.ts'
import { isObject, type Json } from './json.ts'
import type { Place } from './report.ts'
import { Source } from './source.ts'

export type { NewRow }

/** A user of V1 whose id and mail are right, and whose files are to be read. */
export interface V1User {
  readonly id: string
  readonly email: string
  readonly files: V1Files
  /** Makes a cell of a text that nobody is to read. */
  readonly credential: (text: string) => LateCell
}

export function fileOf({ id }: V1User, name: UserFile): string {
  return `users/${id}/${name}`
}

/** The objects of a list; what is none is reported. */
export function sourcesOf(list: readonly Json[], place: Place, what = 'entry'): Source[] {
  return list.flatMap((value, at) => {
    const inside = place.in(`${what} ${at + 1}`)
    if (isObject(value)) return [new Source(value, inside)]
    inside.problem('is no object', 'Mend or remove it')
    return []
  })
}

/** Reports ids that are there twice. @returns what notes one */
export function uniqueIds(): (id: string, place: Place) => void {
  const seen = new Set<string>()
  return (id, place) => {
    if (id === '') return
    if (seen.has(id)) place.problem(`the id ${id} is there twice`, 'Leave only one of them')
    seen.add(id)
  }
}

/**
 * An id for a row that has none in V1, in the form of V2's (a UUID): the same whenever the same record is imported, so
 * that it is never there twice.
 */
export function stableId(...names: readonly string[]): string {
  const bytes = createHash('sha256')
    .update(JSON.stringify(['fossawork-v1', ...names]))
    .digest()
    .subarray(0, 16)
  // Version 8, "made by other means", of RFC 9562.
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
