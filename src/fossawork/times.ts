/**
 * Times as V2's columns hold them: `2025-05-20 14:30:00.000000`. SQLAlchemy always writes and compares six digits of a second's
 * fraction, and SQLite compares texts: without them midnight would fall into the day before.
 *
 * What has a zone (`Z`, `+02:00`) becomes UTC, as everything is that V2 writes. What has none, such as V1's
 * `MM/DD/YYYY` of a visit, is the local time of whoever goes there, and stays what it says.
 */

const iso =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[T ](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<fraction>\d{1,6}))?)?(?<zone>Z|[+-]\d\d:?\d\d)?)?$/
const american =
  /^(?<month>\d{1,2})\/(?<day>\d{1,2})\/(?<year>\d{4})(?:,? +(?<hour>\d{1,2}):(?<minute>\d\d)(?::(?<second>\d\d))?(?: ?(?<half>[AP]M))?)?$/i

/** Undefined for what is no date that the calendar has. */
export function momentOf(text: string): string | undefined {
  const found = (iso.exec(text.trim()) ?? american.exec(text.trim()))?.groups
  if (found === undefined) return undefined
  const number = (name: string) => Number(found[name] ?? 0)
  const hour = hourOf(number('hour'), found['half'])
  const [minute, second] = [number('minute'), number('second')]
  if (hour === undefined || hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(number('year'), number('month') - 1, number('day'))
  date.setUTCHours(hour, minute, second)
  // 02/30 would become the first or second of March.
  if (date.getUTCMonth() !== number('month') - 1 || date.getUTCDate() !== number('day')) return undefined
  const offset = offsetOf(found['zone'])
  if (offset === undefined) return undefined
  const whole = new Date(date.getTime() - offset * 60_000)
  if (whole.getUTCFullYear() < 1 || whole.getUTCFullYear() > 9999) return undefined
  const fraction = (found['fraction'] ?? '').padEnd(6, '0')
  return `${whole.toISOString().slice(0, 19).replace('T', ' ')}.${fraction}`
}

function hourOf(hour: number, half: string | undefined): number | undefined {
  if (half === undefined) return hour
  if (hour < 1 || hour > 12) return undefined
  return (hour % 12) + (half.toUpperCase() === 'PM' ? 12 : 0)
}

/** Minutes. */
function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))]
  if (hours > 14 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}
