/** One object of a V1 file: its keys in camelCase or snake_case, typed, and what nobody has asked for. */
import { isObject, type Json, type JsonObject } from './json.ts'
import type { Place } from './report.ts'
import { momentOf } from './times.ts'

export class Source {
  readonly object: JsonObject
  readonly place: Place
  readonly #used = new Set<string>()

  constructor(object: JsonObject, place: Place) {
    this.object = object
    this.place = place
  }

  /**
   * The first of these that is there and not null. Names are camelCase. One that is there in both ways of writing with
   * two values is a problem; one of the others that says something else stays in the rest.
   */
  take(...names: readonly string[]): Json | undefined {
    let value: Json | undefined
    for (const name of names) {
      const found = [...new Set([name, snake(name)])].filter(each => Object.hasOwn(this.object, each))
      const values = found.map(each => this.object[each] ?? null).filter(each => each !== null)
      if (values.length > 1 && !isSame(values[0], values[1]))
        this.place.problem(`${found.join(' and ')} say different things`, 'Leave only the right one')
      if (value !== undefined && !values.every(each => isSame(each, value))) continue
      for (const each of found) this.#used.add(each)
      value ??= values[0]
    }
    return value
  }

  /** A number is taken as its text. */
  text(...names: readonly string[]): string | null {
    const value = this.take(...names)
    if (value === undefined) return null
    if (typeof value === 'number') return String(value)
    if (typeof value !== 'string') return this.#wrong(names, 'is no text', 'Write a text')
    if (!value.isWellFormed() || value.includes('\0'))
      return this.#wrong(names, 'has characters that no text may have', 'Remove them')
    return value
  }

  /** Without white space around it. @returns an empty text, and a problem, where there is none */
  required(...names: readonly string[]): string {
    const value = this.text(...names)
    if (value === null || value.trim() === '') {
      this.place.problem(`${names[0]} is missing`, 'Add it, or remove the record')
      return ''
    }
    return value.trim()
  }

  /** As V2's columns hold it; null where there is none. */
  moment(...names: readonly string[]): string | null {
    const value = this.take(...names)
    if (value === undefined || value === '') return null
    const moment = typeof value === 'string' ? momentOf(value) : undefined
    return moment ?? this.#wrong(names, 'is no date', 'Write MM/DD/YYYY with HH:MM, or ISO 8601')
  }

  integer(...names: readonly string[]): number | null {
    const value = this.take(...names)
    if (value === undefined) return null
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    return this.#wrong(names, 'is no whole number', 'Write a number')
  }

  /** Undefined where it is not there, or no object. */
  inner(...names: readonly string[]): Source | undefined {
    const value = this.take(...names)
    return isObject(value) ? new Source(value, this.place) : undefined
  }

  /** The same, and a problem where it is something else. */
  strictly(...names: readonly string[]): Source | undefined {
    const value = this.take(...names)
    if (value === undefined || isObject(value)) return value && new Source(value, this.place)
    this.place.problem(`${names[0]} is no object`, 'Mend or remove it')
    return undefined
  }

  /** What was not asked for so far; undefined: nothing. */
  rest(): JsonObject | undefined {
    const entries = Object.entries(this.object).filter(([name]) => !this.#used.has(name))
    return entries.length === 0 ? undefined : Object.fromEntries(entries)
  }

  /** @param remedy without the full stop */
  #wrong(names: readonly string[], what: string, remedy: string): null {
    this.place.problem(`${names[0]} ${what}`, remedy)
    return null
  }
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** `storeNumber` is `store_number`. */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
