/** `settings.json`, a row a key; and the files of a user that are settings as they stand. */
import type { UserFile, V1Files } from './files.ts'
import { isObject, type Json, jsonCell } from './json.ts'
import type { Place } from './report.ts'
import { fileOf, type NewRow, sourcesOf, uniqueIds, type V1User } from './rows.ts'
import { looksSecret } from './secrets.ts'

const settingsFile = 'settings.json'

/** @param ids of the users that are imported */
export function readSettings(files: V1Files, ids: ReadonlySet<string>): NewRow[] {
  const place = files.place(settingsFile)
  if (!files.has(settingsFile)) place.warn('is not there: no global settings are imported')
  const value = files.json(settingsFile)
  if (value === undefined) return []
  if (!isObject(value)) {
    place.problem('is no object', 'Is it the right file?')
    return []
  }
  warnOfSecrets(value, place)
  const rows: NewRow[] = Object.entries(value).map(([name, setting]) => ({
    table: 'global_settings',
    key: { setting_key: name },
    values: { setting_value: jsonCell(setting) ?? '{"value":null}' },
    source: `${settingsFile}, ${name}`,
  }))
  const active = value['activeUserId'] ?? value['active_user_id'] ?? null
  if (typeof active === 'string' && ids.has(active))
    rows.push({
      table: 'user_sessions',
      key: { user_id: active },
      values: { is_active: 1 },
      source: `${settingsFile}, activeUserId`,
    })
  else if (active !== null && active !== '')
    place.warn('activeUserId names no user that is imported: no session is made')
  return rows
}

const categories: Readonly<Partial<Record<UserFile, string>>> = {
  'email_settings.json': 'email',
  'pushover_settings.json': 'pushover',
  'prover_preferences.json': 'prover',
  'work_week_preference.json': 'work_week',
  'notification_settings.json': 'notification',
}

/** Whatever is in them is kept as it stands. */
export function readPreferences(user: V1User): NewRow[] {
  return Object.entries(categories).flatMap(([name, category]) => {
    const file = fileOf(user, name as UserFile)
    const value = user.files.json(file)
    if (value === undefined) return []
    if (typeof value !== 'object' || value === null) {
      user.files.place(file).problem('is neither an object nor a list', 'Is it the right file?')
      return []
    }
    warnOfSecrets(value, user.files.place(file))
    const key = { user_id: user.id, category }
    return [{ table: 'user_preferences', key, values: { settings: JSON.stringify(value) }, source: file }]
  })
}

/** Settings are no credentials, and V2 reads them as they are. */
function warnOfSecrets(value: Json, place: Place): void {
  for (const [name, inner] of Object.entries(value ?? {}))
    if (looksSecret(name, inner)) place.warn(`${name} may be a secret; it is copied in plain text, as V2 reads it`)
}

/** A row a prover. */
export function readProvers(user: V1User): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'prover_preferences.json')
  const whole = files.json(file)
  const workWeek = isObject(whole) ? (whole['workWeekPreference'] ?? whole['work_week_preference']) : undefined
  const hasList = isObject(whole) && !('provers' in whole) ? [] : files.list(file, 'provers')
  const note = uniqueIds()
  return sourcesOf(hasList, files.place(file), 'prover').map(source => {
    const prover_id = source.required('proverId', 'id')
    note(prover_id, source.place)
    return {
      table: 'prover_settings',
      key: { user_id, prover_id },
      values: {
        serial: source.text('serial'),
        make: source.text('make'),
        preferred_fuel_type: source.text('preferredFuelType'),
        preferred_fuel_types: jsonCell(source.take('preferredFuelTypes')),
        priority: source.integer('priority') ?? 1,
        full_text: source.text('fullText'),
        work_week_preference: jsonCell(workWeek),
      },
      source: String(source.place),
    }
  })
}
