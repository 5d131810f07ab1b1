/** What is there for the tutorial: an entry among the users that is none, and a folder of files. Without passwords. */
import { basename } from 'node:path'
import { tutorialFolder, type V1Files } from './files.ts'
import { decodeText, isList, isObject, type Json, type JsonObject } from './json.ts'
import type { Place } from './report.ts'
import type { NewRow } from './rows.ts'
import { linesOf } from './schedule-changes.ts'
import { usersFile } from './users.ts'

/** @param entry of `users.json` */
export function readTutorial(files: V1Files, entry: JsonObject | undefined): NewRow[] {
  const rows = entry === undefined ? [] : [rowOf('user', withoutPasswords(entry), usersFile)]
  for (const name of files.in(tutorialFolder)) {
    const file = `${tutorialFolder}/${name}`
    const place = files.place(file)
    if (name === 'work_fossa_credentials.json') {
      place.warn('credentials of the tutorial are left out')
      continue
    }
    const value = name.endsWith('.json') ? files.json(file) : textOf(files.bytes(file), place)
    if (value === undefined) continue
    const kept = withoutPasswords(value, place)
    rows.push(
      rowOf(basename(name).replace(/\.\w+$/, ''), isObject(kept) || isList(kept) ? kept : { value: kept }, file),
    )
  }
  return rows
}

function rowOf(data_type: string, data: JsonObject | readonly Json[], file: string): NewRow {
  return {
    table: 'tutorial_data',
    key: { data_type, description: `V1 ${file}` },
    values: { data: JSON.stringify(data) },
    source: file,
  }
}

function textOf(bytes: Uint8Array | undefined, place: Place): Json | undefined {
  const text = bytes === undefined ? undefined : decodeText(bytes)
  if (text === undefined) {
    place.problem('is not UTF-8 text', 'Save it as UTF-8')
    return undefined
  }
  return { lines: linesOf(text).map(({ line }) => line) }
}

/** @param place where a password is worth a warning; of the entry among the users it is known to have one */
function withoutPasswords<T extends Json>(value: T, place?: Place): T {
  if (isList(value)) return value.map(item => withoutPasswords(item, place)) as Json as T
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([name]) => {
    const secret = /pass|secret|token|credential|api_?key/i.test(name)
    if (secret) place?.warn(`${name} may be a secret in plain text; it is left out`)
    return !secret
  })
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutPasswords(inner, place)])) as Json as T
}
