/** Where the blows fell, as a table. */
import { kinds } from './blows.ts'
import { phases } from './job.ts'
import type { Landed } from './lane.ts'

/** In Markdown. @param seconds how long it took */
export function tableOf(landed: readonly Landed[], seconds: number): string {
  const count = (of: Partial<Landed>) =>
    landed.filter(blow => Object.entries(of).every(([name, value]) => blow[name as keyof Landed] === value)).length
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  const share = (number: number) => `${((100 * number) / Math.max(1, landed.length)).toFixed(1)} %`
  const lost = landed.filter(({ problems }) => problems.length > 0)
  return [
    line(['blow', ...phases, 'all']),
    line(['---', ...phases.map(() => '---:'), '---:']),
    ...kinds.map(kind => line([kind, ...phases.map(phase => count({ kind, phase })), count({ kind })])),
    line(['**all**', ...phases.map(phase => count({ phase })), landed.length]),
    line(['**share**', ...phases.map(phase => share(count({ phase }))), '']),
    '',
    `${landed.length} blows (${count({ mode: 'wal' })} in WAL mode, ${count({ mode: 'rollback' })} in rollback mode) in ${Math.round(seconds)} s; ${lost.length} violations.`,
    ...lost.map(describe),
  ].join('\n')
}

export function describe({ blow, kind, mode, phase, problems, round }: Landed): string {
  return `round ${round}, blow ${blow} (${kind} in ${phase}, ${mode}):\n${problems.map(problem => `  - ${problem}`).join('\n')}`
}
