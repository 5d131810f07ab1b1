/** Days, weeks, months and years of a time zone, as labels: what a calendar on the wall there shows. */

export const periods = ['day', 'week', 'month', 'year'] as const
export type Period = (typeof periods)[number]

const dayLength = 24 * 60 * 60 * 1000

/**
 * A function from a moment (milliseconds since 1970) to the labels of its periods: `2026-11-23`, `2026-W48`, `2026-11`,
 * `2026`. Weeks begin on Monday and have the number and the year of ISO 8601. `timeZone` is a name of the IANA list.
 */
export function calendarOf(timeZone: string): (moment: number) => Readonly<Record<Period, string>> {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
  return moment => {
    const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]))
    const { year = '', month = '', day = '' } = parts
    return { day: `${year}-${month}-${day}`, week: weekOf(+year, +month, +day), month: `${year}-${month}`, year }
  }
}

/** The week belongs to the year that its Thursday is in. */
function weekOf(year: number, month: number, day: number): string {
  const date = Date.UTC(year, month - 1, day)
  const daysSinceMonday = (new Date(date).getUTCDay() + 6) % 7
  const thursday = date + (3 - daysSinceMonday) * dayLength
  const yearOfWeek = new Date(thursday).getUTCFullYear()
  const week = Math.floor((thursday - Date.UTC(yearOfWeek, 0, 1)) / dayLength / 7) + 1
  return `${yearOfWeek}-W${String(week).padStart(2, '0')}`
}
