import { LockkeeperError } from '../errors.ts'
import { command } from './command.ts'
import { encryptionFrom, fossawork, fossaworkSettings, rowsOptions } from './fossawork.ts'
import { table } from './table.ts'

export const importV1 = command({
  group: fossawork,
  name: 'import-v1',
  summary: 'Import the data folder of FossaWork V1; what is there already stays as it is.',
  examples: [
    'lockkeeper fossawork import-v1 --data /v1/data --dry-run   # what would be imported',
    'lockkeeper fossawork import-v1 --data /v1/data',
  ],
  settings: fossaworkSettings,
  options: [
    { flags: '--data <folder>', help: 'the data folder of V1, the one with settings.json and users/' },
    { flags: '--dry-run', help: 'only tell what would be imported; touch nothing' },
  ],
  run: async context => {
    const { config, given, listener } = context
    const folder = given['data']
    if (typeof folder !== 'string' || folder === '')
      throw new LockkeeperError('usage', 'the data folder of V1 is not named', {
        hint: 'Name it with --data DIR, the folder with settings.json and users/.',
      })
    const { readV1 } = await import('../fossawork/read.ts')
    const { sameKey } = await import('../fossawork/encrypt-stored.ts')
    const { importRows } = await import('../job/import-rows.ts')
    const { step } = await import('../job/events.ts')
    const encryption = encryptionFrom(config)
    const data = await step(listener, 'read', async () => {
      const value = await readV1(folder, encryption)
      return { message: `${value.users} users, ${value.rows.length} records in ${folder}`, value }
    })
    for (const message of data.warnings) listener({ kind: 'warning', step: 'read', message })
    const { plan, ...result } = await importRows(rowsOptions(context), data.rows, [sameKey(encryption)])
    for (const message of plan.notes) listener({ kind: 'note', step: 'look', message })
    const { backup, database, level, outcome } = result
    const tables = Object.entries(plan.tables)
    const sum = (what: 'new' | 'there') => tables.reduce((total, [, counts]) => total + counts[what], 0)
    const already = `${sum('there')} rows are there already`
    const sentence = {
      unchanged: `Nothing to import: ${already}.`,
      planned: `Would import ${sum('new')} rows; ${already}. Nothing was touched.`,
      changed: `Imported ${sum('new')} rows of ${data.users} users, each read back; ${already}.`,
    }[outcome]
    const lines = tables.map(([name, counts]) => [name, String(counts.new), String(counts.there)])
    return {
      sentence,
      text: [
        table(['table', outcome === 'changed' ? 'imported' : 'new', 'there already'], lines),
        ...(backup === null ? [] : [`backup of what was there before: ${backup}`]),
        sentence,
      ].join('\n'),
      document: { ...result, tables: plan.tables, notes: plan.notes, warnings: data.warnings },
      facts: { outcome, database, level, new: sum('new'), there: sum('there'), backup },
    }
  },
})
