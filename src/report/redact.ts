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

const names = /(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE_KEY|ACCESS_KEY)/i
/** Names that only say where a secret is. */
const locations = /(_FILE|_PATH|_URI|_ARN|_ENDPOINT|_RELATIVE_URI|_FULL_URI)$/i
const shortest = 6

/** The secrets of an environment, by the names of its variables. */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): Secret[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && value.length >= shortest && names.test(name) && !locations.test(name)
      ? [new Secret(value)]
      : [],
  )
}

/** A last net below all output: replaces the very values, should one have got into a message of somebody else's. */
export function redactor(secrets: readonly Secret[]): (text: string) => string {
  const values = secrets.map(secret => secret.reveal()).toSorted((a, b) => b.length - a.length)
  return text => values.reduce((result, value) => result.replaceAll(value, '[redacted]'), text)
}
