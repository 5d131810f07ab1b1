/** `restore --interactive`: a list to choose from, a summary, a question. */
import { LockkeeperError } from '../errors.ts'
import type { Choice, Choices } from '../job/restore/choices.ts'
import { formatBytes, formatDuration } from '../units.ts'
import type { Terminal } from './command.ts'
import { table } from './table.ts'

const atOnce = 20

/** The id of the backup that the person wants. @throws LockkeeperError `interrupted` when none is wanted */
export async function choose(
  terminal: Terminal,
  { ids, read }: Choices,
  place: { readonly path: string; readonly holds: string; readonly keeps: boolean },
): Promise<string> {
  if (ids.length === 0)
    throw new LockkeeperError('missing', 'there is no backup to choose from', {
      hint: 'The first lockkeeper backup or lockkeeper run makes one.',
    })
  let shown = 0
  const more = async () => {
    const next = ids.slice(shown, shown + atOnce)
    terminal.show(listing(await read(next), shown))
    shown += next.length
  }
  await more()
  for (;;) {
    const older = shown < ids.length ? `m for ${ids.length - shown} older ones, ` : ''
    const answer = await terminal.ask(`\nWhich one? Its number or its id, ${older}q to stop: `)
    if (answer === undefined || answer === '' || answer === 'q') throw declined()
    if (answer === 'm' && shown < ids.length) {
      await more()
      continue
    }
    const chosen = ids[Number(answer) - 1]
    const fitting =
      /^\d{1,4}$/.test(answer) && chosen !== undefined ? [chosen] : ids.filter(id => id.startsWith(answer))
    const [id] = fitting
    if (id === undefined || fitting.length > 1) {
      terminal.show(fitting.length > 1 ? `${fitting.length} of them begin with ${answer}.` : `There is no ${answer}.`)
      continue
    }
    terminal.show(await summary(id, read, place))
    const sure = await terminal.ask('\nRestore it? yes or no: ')
    if (sure?.toLowerCase() === 'yes') return id
    throw declined()
  }
}

function listing(choices: readonly Choice[], before: number): string {
  const rows = choices.map((choice, index) => [String(before + index + 1), ...cells(choice), choice.id])
  return table(['#', 'age', 'tier', 'size', 'level', 'verified', 'id'], rows)
}

async function summary(
  id: string,
  read: Choices['read'],
  { holds, keeps, path }: Parameters<typeof choose>[2],
): Promise<string> {
  const [choice] = await read([id])
  const kept = keeps ? '; kept first, as a backup of the tier pre-restore' : ''
  const [age, , size, level, verified] = choice === undefined ? [] : cells(choice)
  return `\nbackup  ${id}\n        ${age} old, ${size}, at ${level}, ${verified}\ninto    ${path}: ${holds}${kept}`
}

function cells({ bytes, createdAt, level, tiers, verified }: Choice): [string, string, string, string, string] {
  const age = formatDuration(Math.max(0, Date.now() - createdAt.getTime()))
  return [age, tiers.join('+'), bytes === null ? 'unknown' : formatBytes(bytes), level ?? 'no level', verified]
}

function declined(): LockkeeperError {
  return new LockkeeperError('interrupted', 'nothing was restored: no backup was chosen', {
    hint: 'Nothing was touched. lockkeeper backups lists them, lockkeeper restore --id takes one.',
  })
}
