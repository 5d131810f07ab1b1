/** What a rehearsal tells, and how it is measured. */
import { fileSize } from '../database/location.ts'
import type { JobEvent, Step } from './events.ts'
import type { ChangeResult, RowChange } from './options.ts'

export interface Rehearsal {
  /** What the real run would end with; its `database` is the real one, and nothing was done to that. */
  readonly result: ChangeResult
  /** What it was rehearsed on. */
  readonly on: { readonly kind: 'database' | 'backup' | 'nothing'; readonly name: string; readonly bytes: number }
  readonly schema: readonly SchemaChange[]
  /** Rows of every table, before and after. */
  readonly rows: Readonly<Record<string, RowChange>>
  readonly time: Timing
  /** Bytes of the database with its journal or log: before, afterwards, and the most in between. */
  readonly space: { readonly before: number; readonly after: number; readonly most: number }
  /** Whether the downs lead back; null where it was a rollback, or nothing was applied. */
  readonly wayBack: WayBack | null
}

/** An object of the schema, as SQL: null where it is not there. */
export interface SchemaChange {
  readonly object: string
  readonly before: string | null
  readonly after: string | null
}

export interface Timing {
  /** Milliseconds under the lock, but for the backup. */
  readonly milliseconds: number
  readonly steps: readonly { readonly step: string; readonly milliseconds: number }[]
  readonly longest: string | null
}

export interface WayBack {
  /** Why there is none; null: the downs run. */
  readonly refusal: string | null
  /** Tables that lose rows on the way: for these --allow-row-loss is needed. */
  readonly losses: readonly { readonly table: string; readonly before: number; readonly after: number | null }[]
  /** What is not as it was once they have run, a sentence each. */
  readonly differences: readonly string[]
  readonly milliseconds: number
}

const ofTheCopy = new Set<Step>(['read', 'look', 'lock', 'backup'])

/** Watches a job on a private copy: how long its steps take, and how much room it needs. */
export class Watch {
  readonly #copy: string
  readonly #steps: { step: string; milliseconds: number }[] = []
  #most = 0
  #timer: NodeJS.Timeout | undefined

  constructor(copy: string) {
    this.#copy = copy
  }

  /** Passes on what is to be told of it: not what is done to the copy only. */
  listener(tell: (event: JobEvent) => void): (event: JobEvent) => void {
    return event => {
      if (event.kind === 'step' && !ofTheCopy.has(event.step)) {
        const step = event.step === 'migrate' ? event.message : event.step
        this.#steps.push({ step, milliseconds: event.milliseconds })
      }
      if (!ofTheCopy.has(event.step)) tell(event)
    }
  }

  /** Watches while it works. */
  async during<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly space: Rehearsal['space'] }> {
    const before = await this.#size()
    this.#timer = setInterval(() => void this.#size(), watchEvery)
    try {
      const value = await work()
      return { value, space: { before, after: await this.#size(), most: this.#most } }
    } finally {
      clearInterval(this.#timer)
    }
  }

  get timing(): Timing {
    const [longest] = this.#steps.toSorted((a, b) => b.milliseconds - a.milliseconds)
    const milliseconds = this.#steps.reduce((sum, step) => sum + step.milliseconds, 0)
    return { milliseconds, steps: this.#steps, longest: longest?.step ?? null }
  }

  /** By path: that does no lock any harm. */
  async #size(): Promise<number> {
    const sizes = await Promise.all(['', '-wal', '-journal'].map(suffix => fileSize(this.#copy + suffix)))
    const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0)
    this.#most = Math.max(this.#most, sum)
    return sum
  }
}

const watchEvery = 20

/** What changed, as SQL. */
export function schemaChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): SchemaChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map(object => ({ object, before: before.get(object) ?? null, after: after.get(object) ?? null }))
    .filter(change => change.before !== change.after)
}
