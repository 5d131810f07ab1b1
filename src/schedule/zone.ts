/** A named time zone: what its clocks show at a moment, and when they show a time, which is never, once or twice. */

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** A time as clocks show it, in milliseconds as if they showed UTC. */
export type WallClock = number

export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat

  /** @throws RangeError for a name that the IANA time zone database does not have. */
  constructor(name: string) {
    this.name = name
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
    this.#format = new Intl.DateTimeFormat('en', {
      ...numeric,
      second: 'numeric',
      hourCycle: 'h23',
      timeZone: name,
    })
  }

  wallClockAt(moment: Date): WallClock {
    return moment.getTime() + this.#offsetAt(moment.getTime())
  }

  /** `2026-11-28 04:15 Europe/Berlin` */
  format(moment: Date): string {
    return `${new Date(this.wallClockAt(moment)).toISOString().slice(0, 16).replace('T', ' ')} ${this.name}`
  }

  /**
   * When clocks show this time, in order; two moments where they were set back. A time that is left out where they are
   * set forward is where it would have been had they not been: 02:30 becomes 03:30.
   */
  momentsOf(time: WallClock): Date[] {
    // Offsets are between -12 and +14 hours, and no two changes are within two days of each other.
    const [before, after] = [this.#offsetAt(time - day), this.#offsetAt(time + day)]
    const shown = [...new Set([time - before, time - after])]
      .filter(moment => moment + this.#offsetAt(moment) === time)
      .toSorted((a, b) => a - b)
    return (shown.length > 0 ? shown : [time - before]).map(moment => new Date(moment))
  }

  /** The moment, or where that is on the day after that of the time, the last minute before midnight. */
  onDayOf(time: WallClock, moment: Date): Date {
    const shown = this.wallClockAt(moment)
    const midnight = shown - (shown % day)
    return midnight > time ? new Date(moment.getTime() - (shown - midnight) - minute) : moment
  }

  #offsetAt(moment: number): number {
    const parts: Record<string, string> = {}
    for (const { type, value } of this.#format.formatToParts(moment)) parts[type] = value
    const number = (part: string) => Number(parts[part])
    const shown = Date.UTC(
      number('year'),
      number('month') - 1,
      number('day'),
      number('hour'),
      number('minute'),
      number('second'),
    )
    return shown - Math.floor(moment / 1000) * 1000
  }
}
