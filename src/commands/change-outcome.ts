/** How `run` and `rollback` show what they changed. */
import type { ChangeResult, RowChange } from '../job/options.ts'
import { counted, formatDuration } from '../units.ts'
import type { Outcome } from './command.ts'

export function changeOutcome(result: ChangeResult): Outcome {
  const { backup, from, level, outcome, repository, restored, versions } = result
  const sentence = sentenceOf(result)
  const facts = {
    outcome,
    ...(restored === null ? {} : { restored: restored.backup }),
    from,
    level,
    versions: versions.map(({ version }) => version).slice(0, 10),
    backup,
    repository,
  }
  return { sentence, text: [...restoredLines(result), textOf(result, sentence)].join('\n'), document: result, facts }
}

function sentenceOf(result: ChangeResult): string {
  const { restored } = result
  return `${restored === null ? '' : `Restored ${restored.backup}. `}${changeSentence(result)}`
}

function restoredLines({ restored }: ChangeResult): string[] {
  return restored === null || restored.safety === null ? [] : [`What was there before is kept: ${restored.safety}`]
}

function changeSentence({ adopted, from, level, outcome, versions }: ChangeResult): string {
  if (outcome === 'unchanged') return `Nothing to do: the database is at ${level ?? 'no level'}.`
  const taken = adopted.length === 0 ? '' : `Taken over at ${adopted.at(-1)}. `
  if (adopted.length > 0 && versions.length === 0) return taken.trimEnd()
  const back = versions.filter(({ direction }) => direction === 'down').length
  const applied = versions.length - back
  const done = [
    ...(back === 0 ? [] : [`${counted(back, 'migration')} rolled back`]),
    ...(back > 0 && applied === 0 ? [] : [`${counted(applied, 'migration')} applied`]),
  ]
  return `${taken}${done.join(', ')}: the database went from ${from ?? adopted.at(-1) ?? 'nothing'} to ${level ?? 'nothing'}.`
}

function textOf(result: ChangeResult, sentence: string): string {
  if (result.outcome === 'unchanged') return sentence
  const lines = [sentence]
  for (const { direction, milliseconds, version } of result.versions)
    lines.push(`  ${version.padEnd(40)} ${formatDuration(milliseconds)}${direction === 'down' ? ' (taken back)' : ''}`)
  const rows = Object.entries(result.rows)
  const created = rows.filter(([, { before }]) => before === null)
  const gone = rows.filter(([, { before, after }]) => before === 0 && after === null)
  if (created.length > 0) lines.push(named(created, 'new '))
  if (gone.length > 0) lines.push(named(gone, '', ' dropped, without rows'))
  for (const [table, change] of rows.filter(row => !created.includes(row) && !gone.includes(row)))
    lines.push(`  ${table}: ${describeRows(change)}`)
  if (result.backup !== null)
    lines.push(`  backup of what was there before: ${result.backup}`, `  in ${result.repository}`)
  return lines.join('\n')
}

function named(rows: readonly (readonly [string, RowChange])[], adjective: string, rest = ''): string {
  const tables = `${rows.length} ${adjective}${rows.length === 1 ? 'table' : 'tables'}${rest}`
  return `  ${tables}: ${shorten(rows.map(([table]) => table))}`
}

export function describeRows({ before, after }: RowChange): string {
  if (before === null) return `new, ${counted(after ?? 0, 'row')}`
  return after === null
    ? `${counted(before, 'row')} before, the table is gone`
    : `${counted(before, 'row')} before, ${after} now`
}

function shorten(names: readonly string[]): string {
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}
