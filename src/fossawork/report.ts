/** What is found while V1 files are read: all of it is told at once. Never what a file says, only where it says it. */
import { LockkeeperError } from '../errors.ts'

interface Problem {
  readonly file: string
  readonly what: string
  readonly remedy: string
}

export class Report {
  readonly #problems: Problem[] = []
  readonly #warnings = new Set<string>()

  get warnings(): readonly string[] {
    return [...this.#warnings]
  }

  problem(file: string, what: string, remedy: string): void {
    // A file may be read for two tables.
    if (!this.#problems.some(known => known.file === file && known.what === what))
      this.#problems.push({ file, what, remedy })
  }

  warn(file: string, what: string): void {
    this.#warnings.add(`${file}: ${what}`)
  }

  /** @throws LockkeeperError `invalid` with everything that is wrong */
  refuse(folder: string): void {
    if (this.#problems.length === 0) return
    const lines = this.#problems.map(({ file, remedy, what }) => `  ${file}: ${what}. ${remedy}.`)
    throw new LockkeeperError(
      'invalid',
      `${lines.length === 1 ? 'one thing is' : `${lines.length} things are`} wrong with the V1 data in ${folder}:\n${lines.join('\n')}`,
      {
        hint: 'Nothing was imported. Mend the files, in a copy of the folder if V1 still runs, and import again.',
        details: { problems: this.#problems },
      },
    )
  }
}

/** Where in a file. */
export class Place {
  readonly report: Report
  readonly file: string
  readonly #inside: string

  constructor(report: Report, file: string, inside = '') {
    this.report = report
    this.file = file
    this.#inside = inside
  }

  /** Further inside: `entry 3`, `work order W-110450`. */
  in(inside: string): Place {
    return new Place(this.report, this.file, this.#inside === '' ? inside : `${this.#inside}, ${inside}`)
  }

  /** @param what goes on after the place @param remedy a sentence without its full stop */
  problem(what: string, remedy: string): void {
    this.report.problem(this.file, this.#inside === '' ? what : `${this.#inside}: ${what}`, remedy)
  }

  warn(what: string): void {
    this.report.warn(this.file, this.#inside === '' ? what : `${this.#inside}: ${what}`)
  }

  toString(): string {
    return this.#inside === '' ? this.file : `${this.file}, ${this.#inside}`
  }
}
