/**
 * goose's annotations, in comments: `-- +goose Up`, `Down`, `StatementBegin` and `StatementEnd`, `NO TRANSACTION`, in any
 * case. <https://pressly.github.io/goose/documentation/annotations/>
 */
import { join } from 'node:path'
import type { Migration } from '../model.ts'
import { lineAt } from '../text.ts'
import { commentOrQuoted, isFirstOnLine } from './markers.ts'
import { ended, foreignMigration, type Source, type TextFile } from './source.ts'

const annotation = /^--[ \t]*\+goose\b[ \t]*(.*?)[ \t]*$/i

/** Whether a text has an annotation at the beginning of any of its lines. */
export function isGoose(text: string): boolean {
  return /^[ \t]*--[ \t]*\+goose\b/im.test(text)
}

export function hasGooseDown(text: string): boolean {
  return /^[ \t]*--[ \t]*\+goose[ \t]+down\b/im.test(text)
}

interface Place {
  readonly start: number
  readonly line: number
}

/** @throws Error with what is wrong with the file */
export function parseGoose(version: string, source: TextFile): Migration {
  const { text } = source
  let transaction = true
  let up: Place | undefined
  let down: Place | undefined
  /** Where something ends that need not have a semicolon. */
  const ends: number[] = []
  for (const { place, word } of annotationsOf(text)) {
    const wrong = (why: string) => new Error(`line ${place.line}: "+goose ${word}" ${why}`)
    switch (word.toLowerCase().replaceAll(/\s+/g, ' ')) {
      case 'up':
        if (up !== undefined) throw wrong('is there for the second time')
        up = place
        break
      case 'down':
        if (up === undefined) throw wrong('comes before "+goose Up"')
        if (down !== undefined) throw wrong('is there for the second time')
        down = place
        break
      case 'statementend':
        ends.push(place.start)
        break
      case 'no transaction':
        transaction = false
        break
      case 'statementbegin':
      case 'envsub off':
        break
      case 'envsub on':
        throw wrong('would put variables of the environment into the SQL, which nothing here does')
      default:
        throw wrong('is no annotation that goose has')
    }
  }
  if (up === undefined) throw new Error('it has no line "-- +goose Up"')
  refuseEarly(text, up)
  const until = down?.start ?? text.length
  return foreignMigration(version, source, undefined, {
    up: ended(text, up.start, until, ends),
    upLine: up.line,
    ...(down === undefined ? {} : { down: ended(text, down.start, text.length, ends), downLine: down.line }),
    transaction,
  })
}

function* annotationsOf(text: string): Generator<{ readonly word: string; readonly place: Place }> {
  for (const { 0: part, index: start } of text.matchAll(commentOrQuoted)) {
    const word = annotation.exec(part)?.[1]
    if (word !== undefined && isFirstOnLine(text, start)) yield { word, place: { start, line: lineAt(text, start) } }
  }
}

/** What stands before the first annotation would never run. */
function refuseEarly(text: string, { start }: Place): void {
  const early = text.slice(0, start).replaceAll(commentOrQuoted, part => (/^(--|\/\*)/.test(part) ? '' : part))
  if (early.trim() !== '') throw new Error('it has a statement before "-- +goose Up", where it would never run')
}

/** Of a folder of goose's, the steps that are programs in Go and have nothing in their place. A sentence each, with the path. */
export function goStepsIn(folder: string, names: readonly string[], sources: readonly Source[]): string[] {
  if (!sources.some(({ parse }) => parse === parseGoose)) return []
  const versions = new Set(sources.map(({ version }) => version))
  return names
    .filter(name => /^\d+_.*\.go$/.test(name) && !name.endsWith('_test.go') && !versions.has(name.slice(0, -3)))
    .map(name => {
      const instead = `${name.slice(0, -3)}.ts`
      return `${join(folder, name)}: it is a step written in Go. Put ${instead} (or .sql), which does the same, beside it`
    })
}
