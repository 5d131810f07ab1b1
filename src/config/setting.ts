/** What one setting is, and how its text is read; the table of all is in `settings.ts`. */
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import envVar from 'env-var'
import { parseDuration, parseMoment } from '../units.ts'
import { databasePath } from './database-url.ts'

const accessors = {
  asDuration: (value: string) => parseDuration(value),
  asDatabase: (value: string) => databasePath(value, process.cwd()),
  asRepository: (value: string) => {
    // The store judges the rest. Only a path is repeated: some URLs carry a password.
    if (/^(file|s3):\/\//i.test(value)) return value
    throw new Error(
      isAbsolute(value)
        ? `a repository is a URL: ${pathToFileURL(value).href}`
        : 'a repository is s3://bucket/prefix or file:///absolute/path',
    )
  },
  asTimeZone: (value: string) => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone
    } catch {
      throw new Error(`"${value}" is no time zone: write its name in the IANA list, such as Europe/Berlin`)
    }
  },
  asListen: (value: string) => {
    const [, address, name, port] = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(value) ?? []
    const host = address ?? name
    if (host === undefined || Number(port) > 65_535)
      throw new Error(`"${value}" is not HOST:PORT, such as 127.0.0.1:9375, 0.0.0.0:9375 or [::]:9375`)
    return { host, port: Number(port) }
  },
  asGlobs: (value: string) => list(value),
  asEncryption: (value: string) => {
    const kmsKey = /^aws:kms:(.+)$/.exec(value)?.[1]
    if (kmsKey !== undefined) return { kmsKey }
    if (value === 'AES256' || value === 'aws:kms') return value
    throw new Error('it is AES256, aws:kms, or aws:kms:KEY with the id or ARN of a key')
  },
  asOneShotRestore: (value: string) => {
    const selector = value.split('#')[0] ?? ''
    // The sequence that an id begins with has eight digits or more.
    if (/^\d{4}-/.test(selector)) return { value, selection: { at: parseMoment(selector) } }
    if (/^\d+(-[\w.+-]*)?$/.test(selector)) return { value, selection: { id: selector } }
    throw new Error('it is the id of a backup, or a moment such as 2026-11-23T08:00:00Z')
  },
  asTags: (value: string) =>
    Object.fromEntries(
      list(value).map(tag => {
        const [, key, text] = /^([^=]+)=(.*)$/s.exec(tag) ?? []
        if (key === undefined || text === undefined) throw new Error(`"${tag}" is not key=value`)
        return [key, text]
      }),
    ),
}

function list(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** One variable, ready to be read by env-var or by one of the readers above. */
export const variableOf = (env: string, value: string | undefined) =>
  envVar.from(value === undefined ? {} : { [env]: value }, accessors).get(env)

type Variable = ReturnType<typeof variableOf>

export interface Setting<T> {
  /** In commander's notation: `--lock-timeout <duration>`. */
  readonly flags: string
  readonly env: string
  /** Looked at where `env` is not set: proxies are also written in lower case. */
  readonly otherEnv?: string
  readonly help: string
  /** A secret is no flag: everybody on the machine can read the arguments of a process. `flags` only names it. Default false. */
  readonly environmentOnly?: boolean
  /** As a person would write it; undefined: there is none, and the setting may be absent. */
  readonly fallback?: string | undefined
  readonly read: (variable: Variable) => T
}

export const duration = (variable: Variable) => variable.required().asDuration()
export const count = (variable: Variable) => variable.required().asIntPositive()
export const flag = (variable: Variable) => variable.default('false').asBool()
export const optional = (variable: Variable) => variable.asString() || undefined

export const declare = <T>(setting: Setting<T>): Setting<T> => setting

export function keep(rule: string, fallback: number, help: string): Setting<number> {
  return {
    flags: `--keep-${rule} <number>`,
    env: `LOCKKEEPER_KEEP_${rule.toUpperCase().replaceAll('-', '_')}`,
    help: `${help}; 0: no such rule`,
    fallback: String(fallback),
    read: count,
  }
}

export function time(task: string, what: string, fallback: string): Setting<string> {
  return {
    flags: `--${task}-at <cron>`,
    env: `LOCKKEEPER_${task.toUpperCase()}_AT`,
    help: `${what}: a cron expression of five fields, or off`,
    fallback,
    read: variable => variable.required().asString(),
  }
}

export function identity(what: string): Setting<string | undefined> {
  return {
    flags: `--${what} <name>`,
    env: `LOCKKEEPER_${what.toUpperCase()}`,
    help: `the ${what} this runs in, for the history`,
    read: optional,
  }
}

/** Not shown with its value, and never a flag. */
export function secret(env: string, help: string): Setting<string | undefined> {
  const flags = `--${env.toLowerCase().replaceAll('_', '-')} <text>`
  return { flags, env, help, environmentOnly: true, read: optional }
}
