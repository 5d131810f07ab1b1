/** `schedule_changes.txt`: a change a line, such as `+ ADDED: W-110450 Speedway #1234 05/20/2025`. */
import { decodeText } from './json.ts'
import { fileOf, type NewRow, type V1User } from './rows.ts'
import { momentOf } from './times.ts'

export function readScheduleChanges(user: V1User): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'schedule_changes.txt')
  const bytes = files.bytes(file)
  if (bytes === undefined) return []
  const text = decodeText(bytes)
  if (text === undefined || text.includes('\0')) {
    files.place(file).problem('is not UTF-8 text', 'Save it as UTF-8')
    return []
  }
  return linesOf(text).map(({ line, number }) => {
    const change_type = /^[^\p{L}]*(\p{L}[\p{L} _-]*):/u.exec(line)?.[1]?.trim().toLowerCase() ?? 'unknown'
    const workOrderId = /\bW-\d+\b/.exec(line)?.[0]
    const date = momentOf(/\b\d{1,2}\/\d{1,2}\/\d{4}\b/.exec(line)?.[0] ?? '')?.slice(0, 10)
    return {
      table: 'user_schedule_changes',
      // The same line may be there twice.
      key: { user_id, change_text: line },
      values: {
        change_type,
        change_data: JSON.stringify({ line: number, workOrderId, date }),
        notified: 0,
      },
      source: `${file}, line ${number}`,
    }
  })
}

/** Lines that say something, with their numbers from 1. */
export function linesOf(text: string): { readonly line: string; readonly number: number }[] {
  return text
    .split(/\r?\n/)
    .map((line, at) => ({ line, number: at + 1 }))
    .filter(({ line }) => line.trim() !== '')
}
