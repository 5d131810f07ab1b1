/**
 * When something is due: a cron expression, by the clocks of a time zone.
 *
 * `cron` reads the expression and finds the times that fit it; which moments these are is decided here, so that a change
 * to or from daylight-saving time neither leaves a day out nor counts one twice: a time that clocks leave out is due as
 * long after midnight as ever, but before the next; a time that they show twice is due the first time. Only where the
 * expression says every hour (`*`, or what comes to the same) is it every hour that passes.
 */
import { CronTime } from 'cron'
import { messageOf } from '../errors.ts'
import type { WallClock, Zone } from './zone.ts'

const second = 1000
const minute = 60 * second
/** By how much clocks are set forward or back at most, in milliseconds, other than by whole days. */
const largestChange = 3 * 3_600_000

export class Timetable {
  readonly expression: string
  readonly zone: Zone
  readonly #cron: CronTime
  readonly #everyHour: boolean

  /**
   * @param expression minute, hour, day of the month, month, day of the week; or `@daily` and the like
   * @throws Error that says what is wrong with it
   */
  constructor(expression: string, zone: Zone) {
    this.expression = expression.trim()
    this.zone = zone
    const fields = this.expression.split(/\s+/)
    this.#everyHour = /^(\*|\*\/1|0-23)$/.test(fields[1] ?? '') || this.expression === '@hourly'
    try {
      if (fields.length !== 5 && !/^@(yearly|monthly|weekly|daily|hourly)$/.test(this.expression))
        throw new Error('it has five fields')
      this.#cron = new CronTime(this.expression, 'UTC')
      if (this.#timeAfter(Date.now()) === undefined) throw new Error('no day fits it')
    } catch (error) {
      throw new Error(`"${expression}" is not a cron expression such as "15 4 * * *": ${messageOf(error)}`)
    }
  }

  /** The first moment after this one. */
  next(after: Date): Date {
    let first: Date | undefined
    // The moments of times in order are not quite in order where clocks are changed.
    let time = this.#timeAfter(this.zone.wallClockAt(after) - largestChange)
    while (time !== undefined && (first === undefined || time <= this.zone.wallClockAt(first) + largestChange)) {
      for (const moment of this.#momentsOf(time))
        if (moment > after && (first === undefined || moment < first)) first = moment
      time = this.#timeAfter(time)
    }
    if (first === undefined) throw new Error(`"${this.expression}" has no next time after ${after.toISOString()}`)
    return first
  }

  /** Undefined where there is none: `cron` gives up after eight years. */
  #timeAfter(time: WallClock): WallClock | undefined {
    // It goes by the second, slowly, and no second but the first of a minute fits.
    const lastSecond = time - (time % minute) + minute - second
    try {
      return this.#cron.getNextDateFrom(new Date(lastSecond), 'UTC').toMillis()
    } catch {
      return undefined
    }
  }

  #momentsOf(time: WallClock): Date[] {
    const moments = this.zone.momentsOf(time)
    return this.#everyHour ? moments : moments.slice(0, 1).map(moment => this.zone.onDayOf(time, moment))
  }
}
