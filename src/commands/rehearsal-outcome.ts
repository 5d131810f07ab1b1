/** How `--dry-run` shows what was rehearsed. */
import type { RowChange } from '../job/options.ts'
import type { Rehearsal, SchemaChange, WayBack } from '../job/rehearsal.ts'
import { counted, formatBytes, formatDuration } from '../units.ts'
import { changeOutcome, describeRows } from './change-outcome.ts'
import type { Outcome } from './command.ts'

export function rehearsalOutcome(rehearsal: Rehearsal): Outcome {
  const { on, result } = rehearsal
  const what = {
    database: `a private copy of ${on.name}`,
    backup: `a private copy of the backup ${on.name}`,
    nothing: 'an empty database',
  }[on.kind]
  const real = changeOutcome(result)
  const sentence = `Rehearsed on ${what}, nothing was touched. ${real.sentence}`
  const text = result.outcome === 'unchanged' ? sentence : [sentence, ...detailsOf(rehearsal)].join('\n')
  const { from, level, outcome } = result
  return { sentence, text, document: rehearsal, facts: { rehearsal: true, outcome, from, level } }
}

function detailsOf({ rows, schema, space, time, wayBack }: Rehearsal): string[] {
  return [
    '',
    'time',
    ...time.steps.map(({ milliseconds, step }) => `  ${step.padEnd(40)} ${formatDuration(milliseconds)}`),
    `  longest: ${time.longest ?? 'nothing'}; in all, without the backup: ${formatDuration(time.milliseconds)}`,
    '',
    'space',
    `  ${formatBytes(space.before)} before, ${formatBytes(space.after)} afterwards, up to ${formatBytes(space.most)} meanwhile`,
    '',
    'schema',
    ...(schema.length === 0 ? ['  as before'] : schema.flatMap(linesOf)),
    '',
    'rows',
    ...rowLines(rows),
    ...(wayBack === null ? [] : ['', 'way back', ...wayBackLines(wayBack)]),
  ]
}

function linesOf({ after, before }: SchemaChange): string[] {
  const marked = (mark: string, sql: string | null) => (sql ?? '').split('\n').map(line => `${mark} ${line}`)
  return [...(before === null ? [] : marked('  -', before)), ...(after === null ? [] : marked('  +', after))]
}

function rowLines(rows: Readonly<Record<string, RowChange>>): string[] {
  const all = Object.entries(rows)
  const changed = all.filter(([, { after, before }]) => after !== before)
  const lines = changed.map(([table, change]) => `  ${table}: ${describeRows(change)}`)
  const same = all.length - changed.length
  return same === 0 ? lines : [...lines, `  ${same} ${same === 1 ? 'table has' : 'tables have'} as many as before`]
}

function wayBackLines({ differences, losses, milliseconds, refusal }: WayBack): string[] {
  if (refusal !== null) return [`  none: ${refusal}`]
  return [
    ...losses.map(({ after, before, table }) =>
      after === null
        ? `  ${table} would lose ${counted(before, 'row')} with the table`
        : `  ${table} would have ${counted(after, 'row')}, of ${before}`,
    ),
    ...(losses.length === 0 ? [] : ['  (which needs --allow-row-loss)']),
    ...differences.map(difference => `  not as before: ${difference}`),
    `  the downs take ${formatDuration(milliseconds)}${differences.length === 0 ? ', and lead back to exactly what was there before' : ''}`,
  ]
}
