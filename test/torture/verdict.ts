/** This end of the judge: see judge.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Case, Question, Settings, Verdict } from './judge.ts'

type Asked = { resolve(value: unknown): void; reject(error: unknown): void }
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

export class Judge {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  #next = 0

  constructor() {
    this.#child = fork(fileURLToPath(new URL('judge.ts', import.meta.url)), { serialization: 'advanced' })
    this.#child.on('message', ({ error, id, value }: Answer) => {
      const asked = this.#asked.get(id)
      this.#asked.delete(id)
      if (error === undefined) asked?.resolve(value)
      else asked?.reject(new Error(`the judge failed: ${error}`))
    })
    this.#child.on('exit', () => {
      for (const { reject } of this.#asked.values()) reject(new Error('the judge has ended'))
    })
  }

  judge(given: Case): Promise<Verdict> {
    return this.#ask({ case: given }) as Promise<Verdict>
  }

  /** A new, empty database. */
  async make(path: string, settings: Settings): Promise<void> {
    await this.#ask({ make: path, settings })
  }

  /** Rows of a writer called `before`. */
  async fill(path: string, rows: number): Promise<void> {
    await this.#ask({ fill: path, rows })
  }

  end(): void {
    this.#child.disconnect()
  }

  #ask(question: WithoutId<Question>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++
      this.#asked.set(id, { resolve, reject })
      this.#child.send({ id, ...question })
    })
  }
}
