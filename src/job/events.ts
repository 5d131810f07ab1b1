/** What a job tells while it works. The library never prints: whoever calls it decides what becomes of these. */

/** The steps of a deploy, in their order. */
export type Step =
  | 'read'
  | 'look'
  | 'lock'
  | 'backup'
  | 'migrate'
  | 'validate'
  | 'commit'
  | 'restore'
  | 'import'
  | 'encrypt'
  | 'verify'
  | 'prune'
  | 'schedule'
  | 'serve'
  | 'done'

export type JobEvent =
  | {
      readonly kind: 'step'
      readonly step: Step
      /** One line: what was done. */
      readonly message: string
      /** How long it took. */
      readonly milliseconds: number
    }
  | { readonly kind: 'note' | 'warning'; readonly step: Step; readonly message: string }
  | {
      readonly kind: 'progress'
      readonly step: Step
      readonly done: number
      readonly total: number
      readonly unit: 'bytes' | 'migrations' | 'statements' | 'rows'
    }

export type Listener = (event: JobEvent) => void

/** Measures a step and reports it with the sentence that it ends with. */
export async function step<T>(
  listener: Listener,
  name: Step,
  work: () => Promise<{ readonly message: string; readonly value: T }>,
): Promise<T> {
  // Asking for `performance` loads as much as all of this program that a run with nothing to do needs.
  const start = process.hrtime.bigint()
  const { message, value } = await work()
  listener({ kind: 'step', step: name, message, milliseconds: Number(process.hrtime.bigint() - start) / 1e6 })
  return value
}

/** Reports findings as warnings. */
export function warn(listener: Listener, warnings: readonly { readonly message: string }[]): void {
  for (const { message } of warnings) listener({ kind: 'warning', step: 'validate', message })
}
