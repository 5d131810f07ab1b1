/** Durations and sizes as people write them. */

const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `90s`, `15m`, `48h`, `7d`, `500ms`, `1h30m` to milliseconds. @throws Error that says what is expected. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== text)
    throw new Error(`"${text}" is not a duration such as 90s, 15m or 48h`)
  return parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * milliseconds[unit as keyof typeof milliseconds],
    0,
  )
}

/**
 * A moment as ISO 8601 has it, with its zone: `2026-11-23T08:00:00Z`, `2026-11-23T09:00+01:00`. A day alone, or a time
 * without a zone, means different moments to different people. @throws Error that says what is expected.
 */
export function parseMoment(text: string): Date {
  const [, year, month, day] =
    /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const moment = new Date(text)
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (Number.isNaN(moment.getTime()) || Number.isNaN(days) || Number(day) > days)
    throw new Error(`"${text}" is not a moment such as 2026-11-23T08:00:00Z, with its time and its zone`)
  return moment
}

/** `1 row`, `2 rows`. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Bytes for a person: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  let unit = 0
  let value = bytes
  while (Math.round(value) >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** Milliseconds for a person: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 10 min`, `12 d`. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`
  if (Math.round(ms / 100) < 600) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours >= 48) return `${Math.floor(hours / 24)} d`
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
}
