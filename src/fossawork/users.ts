/** `users/users.json`: a list, or an object by user id; and notification settings, which may stand in a file of their own. */
import { createHash } from 'node:crypto'
import type { V1Files } from './files.ts'
import { isList, isObject, type Json, type JsonObject, jsonCell } from './json.ts'
import type { Place } from './report.ts'
import type { NewRow } from './rows.ts'
import { uniqueIds } from './rows.ts'
import { longestPassword, looksSecret, passwordCell } from './secrets.ts'
import { Source } from './source.ts'

export const usersFile = 'users/users.json'

export interface Users {
  /** By id. */
  readonly rows: ReadonlyMap<string, NewRow>
  /** Their mails by id, as V1 wrote them. */
  readonly emails: ReadonlyMap<string, string>
  /** Every id that is named, be it right or not. */
  readonly named: ReadonlySet<string>
  /** The entry that is no user. */
  readonly tutorial: JsonObject | undefined
  readonly tutorialId: string | undefined
}

export function readUsers(files: V1Files): Users {
  const rows = new Map<string, NewRow>()
  const emails = new Map<string, string>()
  const named = new Set<string>()
  let tutorial: JsonObject | undefined
  let tutorialId: string | undefined
  const note = uniqueIds()
  for (const { id, source } of entriesOf(files)) {
    named.add(id)
    if (source.take('isTutorial') === true) {
      if (tutorial !== undefined) source.place.problem('is a second tutorial entry', 'Leave only one of them')
      tutorial = source.object
      tutorialId = id
      continue
    }
    note(id, source.place)
    const email = source.required('email').trim()
    if (email === '' || !isIdOf(id, email, source.place)) continue
    rows.set(id, rowOf(id, email, source, files))
    emails.set(id, email)
  }
  return { rows, emails, named, tutorial, tutorialId }
}

function entriesOf(files: V1Files): { readonly id: string; readonly source: Source }[] {
  const place = files.place(usersFile)
  if (!files.has(usersFile)) {
    place.problem('is not there', 'Is this the V1 data folder? An empty list [] is one without users')
    return []
  }
  const value = files.json(usersFile)
  if (value === undefined) return []
  if (isList(value)) return value.flatMap((entry, at) => entryOf(entry, undefined, place.in(`entry ${at + 1}`)))
  if (isObject(value))
    return Object.entries(value).flatMap(([key, entry]) => entryOf(entry, key, place.in(`user ${key}`)))
  place.problem('is neither a list nor an object', 'Is it the right file?')
  return []
}

/** @param key in the dialect that has the id as a key; it may be repeated inside */
function entryOf(entry: Json, key: string | undefined, place: Place) {
  if (!isObject(entry)) {
    place.problem('is no object', 'Mend or remove it')
    return []
  }
  const source = new Source(entry, place)
  const inside = source.text('id', 'userId')
  if (key !== undefined && inside !== null && inside !== key)
    place.problem('its id is another than its key', 'Leave only the right one')
  const id = key ?? inside ?? ''
  if (id === '') place.problem('id is missing', 'Add it: the MD5 of the trimmed mail in lower case, as hex')
  return [{ id, source }]
}

function isIdOf(id: string, email: string, place: Place): boolean {
  const wanted = createHash('md5').update(email.toLowerCase()).digest('hex')
  if (id === wanted) return true
  if (id !== '') place.problem(`its id is not the MD5 of its mail, ${wanted}`, 'Correct the id or the mail')
  return false
}

function rowOf(id: string, email: string, source: Source, files: V1Files): NewRow {
  const values = {
    email,
    label: source.text('label'),
    friendly_name: source.text('friendlyName'),
    configured_email: source.text('configuredEmail'),
    last_used: source.moment('lastUsed'),
    notification_settings: notificationsOf(id, source, files),
  }
  const password = source.text('password')
  warnOfPassword(password, source.place)
  const rest = restOf(source)
  return {
    table: 'users',
    key: { id },
    values: { ...values, preferences_json: jsonCell(rest) },
    ...(password ? { late: { password_hash: passwordCell(password) } } : {}),
    unique: 'email',
    tellDifference: true,
    source: `${usersFile}, user ${id}`,
  }
}

function notificationsOf(id: string, source: Source, files: V1Files): string | null {
  const own = source.take('notificationSettings')
  if (own !== undefined && looksSecret('notificationSettings', own))
    source.place.warn('notificationSettings may be a secret; it is copied in plain text, as V2 reads it')
  if (own !== undefined) return jsonCell(own)
  const file = `users/${id}/notification_settings.json`
  return files.has(file) ? jsonCell(files.json(file)) : null
}

function warnOfPassword(password: string | null, place: Place): void {
  if (!password) place.warn('has no password: nobody can log in with it until one is set')
  else if (Buffer.byteLength(password) > longestPassword)
    place.warn(`its password has more than ${longestPassword} bytes: bcrypt does not look at the others`)
}

/** Keys that no column is for go to `preferences_json`, but for what may be a secret. */
function restOf(source: Source): JsonObject | undefined {
  const rest = Object.entries(source.rest() ?? {})
  const secret = rest.filter(([name, value]) => looksSecret(name, value))
  for (const [name] of secret) source.place.warn(`${name} may be a secret in plain text; it is left out`)
  const kept = rest.filter(entry => !secret.includes(entry))
  for (const [name] of kept) source.place.warn(`${name} has no column of its own; it is kept in preferences_json`)
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}
