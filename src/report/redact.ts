/** Keeps secrets out of everything that is written. */
import { inspect } from 'node:util'

/** A value that shows itself nowhere: printed, logged, serialised or inspected, it is `[redacted]`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself, for the one place that needs it. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}

const names = /(SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY)/i
/** Names that only say where a secret is. */
const locations = /(_FILE|_PATH|_URI|_ARN|_ENDPOINT|_RELATIVE_URI|_FULL_URI)$/i
/** The password in `scheme://user:password@host`, whatever the variable is called. */
const inUrl = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]*?:([^/?#@\s]+)@/i
/** What is shorter is part of too many other words. */
const shortest = 6

/** The secrets of an environment, by the names of its variables, and the passwords in its URLs. */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): Secret[] {
  return Object.entries(environment)
    .flatMap(([name, value = '']) => [
      names.test(name) && !locations.test(name) ? value : '',
      inUrl.exec(value)?.[1] ?? '',
    ])
    .filter(value => value.length >= shortest)
    .map(value => new Secret(value))
}

/**
 * A last net below all output: replaces the very values, as they are and as they stand in a URL, should one have got
 * into a message of somebody else's.
 */
export function redactor(secrets: readonly Secret[]): (text: string) => string {
  const values = secrets.flatMap(secret => formsOf(secret.reveal())).toSorted((a, b) => b.length - a.length)
  return text => values.reduce((result, value) => result.replaceAll(value, '[redacted]'), text)
}

/** JSON of a value without its secrets: each string is searched before quotes and escapes are put into it. */
export function redactedJson(value: unknown, redact: (text: string) => string, indent?: number): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'string' ? redact(part) : part), indent)
}

function formsOf(value: string): string[] {
  return [...new Set([value, encodeURI(value.toWellFormed()), encodeURIComponent(value.toWellFormed())])]
}
