/** `work_fossa_credentials.json`: never stored but encrypted. */
import { isObject } from './json.ts'
import { fileOf, type NewRow, type V1User } from './rows.ts'
import { Source } from './source.ts'

export function readCredentials(user: V1User): NewRow[] {
  const file = fileOf(user, 'work_fossa_credentials.json')
  const value = user.files.json(file)
  if (value === undefined) return []
  const place = user.files.place(file)
  if (!isObject(value)) {
    place.problem('is no object', 'Is it the right file?')
    return []
  }
  const source = new Source(value, place)
  const [username, password] = [source.text('username'), source.text('password')]
  for (const name of Object.keys(source.rest() ?? {}))
    place.warn(`${name} has no place in V2 and may be a secret; it is left out`)
  if (!username && !password) {
    place.warn('has no credentials')
    return []
  }
  if (!username || !password) {
    place.problem(`${username ? 'password' : 'username'} is missing`, 'Add it, or move the file away')
    return []
  }
  return [
    {
      table: 'user_credentials',
      key: { user_id: user.id, service_name: 'work_fossa' },
      values: { is_active: 1, is_verified: 0 },
      late: { encrypted_username: user.credential(username), encrypted_password: user.credential(password) },
      source: file,
    },
  ]
}
