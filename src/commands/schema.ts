import type { SchemaDiff, SideOptions } from '../job/schema.ts'
import { counted } from '../units.ts'
import { type Context, command } from './command.ts'
import { migrationsFolder, repositoryFrom, repositorySettings, temporaryFolder } from './from-config.ts'

const settings = ['anyDatabase', 'migrations', ...repositorySettings, 'tmpdir'] as const

export const schema = command({
  name: 'schema',
  summary: 'Print a schema, or the SQL that leads from one to another.',
  examples: [
    'lockkeeper schema                                  # of the database',
    'lockkeeper schema migrations@v003_add_indexes',
    'lockkeeper schema --diff database migrations       # from the one to the other',
    'lockkeeper schema --diff backup:00000042 database',
  ],
  settings,
  argument: { name: 'side', help: 'database (default), migrations, migrations@VERSION, backup:ID or file:PATH' },
  options: [{ flags: '--diff <side>', help: 'compare this one with the other: how to get from here to there' }],
  run: async context => {
    const { diffSchemas, schemaOf } = await import('../job/schema.ts')
    const { diff, side = 'database' } = context.given
    if (typeof diff !== 'string') {
      const sql = await schemaOf(String(side), sidesOf(context))
      return { sentence: `The schema of ${side}.`, text: sql, document: { side, sql }, facts: { side } }
    }
    const result = await diffSchemas(diff, String(side), sidesOf(context))
    const { differences } = result
    const sentence =
      differences.length === 0
        ? `${diff} and ${side} have the same schema.`
        : `${counted(differences.length, 'difference')} between ${diff} and ${side}.`
    return { sentence, text: textOf(result, sentence), document: result, facts: { differences: differences.length } }
  },
})

/** Comments and statements, so that it can be run as it is. */
function textOf({ differences, left, sql }: SchemaDiff, sentence: string): string {
  const signs = { missing: '+', extra: '-', differs: '~' }
  return [
    ...differences.map(({ kind, name, object }) => `-- ${signs[kind]} ${object} ${name}`),
    ...(sql === '' ? [] : ['', sql, '']),
    ...left.map(what => `-- no SQL is known for ${what} that would keep the rows`),
    `-- ${sentence}`,
  ].join('\n')
}

function sidesOf({ config, signal }: Context<(typeof settings)[number]>): SideOptions {
  return {
    database: config.anyDatabase,
    migrations: migrationsFolder(config),
    repository: repositoryFrom(config),
    tmpdir: temporaryFolder(config),
    viewInProcess: true,
    signal,
  }
}
