/** Writes the pages that are made from tables in the source and from the values of the charts. */
import { readFile, writeFile } from 'node:fs/promises'
import { settings } from '../src/config/settings.ts'
import { exitCodes } from '../src/errors.ts'
import { rules } from '../src/lint/rules.ts'
import { chartPage, charts } from './chart.ts'

const root = new URL('../', import.meta.url)

/** The generated pages, by path. */
export const pages: Readonly<Record<string, string>> = {
  'docs/exit-codes.md': exitCodesPage(),
  'docs/lint.md': lintPage(),
  'docs/settings.md': settingsPage(),
  ...Object.fromEntries(charts.map(name => [`helm/${name}/README.md`, chartPage(name)])),
}

function exitCodesPage(): string {
  const rows = Object.entries(exitCodes).map(([name, { exit, when }]) => `| ${exit} | ${name} | ${when} |`)
  return `# Exit codes

Made from \`src/errors.ts\` by \`npm run docs\`. The numbers do not change; scripts and \`podFailurePolicy\` may rely on them.

| exit | name | when |
| --- | --- | --- |
${rows.join('\n')}

Every error says what happened, where, and what to do next: on standard error, with \`--json\` as one document on standard
output (\`error.code\` is the name above), and in the termination message.
`
}

function lintPage(): string {
  const sections = Object.entries(rules).map(
    ([name, { finds, instead, severity, why }]) =>
      `### ${name} (${severity})\n\nFinds ${finds}.\n\n${why}\n\n${instead}\n`,
  )
  return `# Lint

The rules are made from \`src/lint/rules.ts\` by \`npm run docs\`.

\`lockkeeper lint\` looks at a folder of migrations without a database, for CI: it replays them in memory, asks SQLite what each
statement does when it compiles it, and tries each migration once more with a row in every table. A module runs several
times, and only what it leaves is seen of it.

\`\`\`sh
lockkeeper lint --migrations ./migrations
lockkeeper lint --since v006_add_monitoring_tables   # only what comes after it
lockkeeper lint --format github                      # annotations in a pull request
lockkeeper lint --json
\`\`\`

It ends with 65 when a rule that fails is hit, and with 0 when there is nothing but warnings. What was deployed cannot be
changed any more: leave it out with \`--since\`, or silence a rule for a file. That is a line before its first statement, with
the reason:

\`\`\`sql
-- lint-ignore: column-loss: nobody has read it since release 4
\`\`\`

or, for a file that may not be edited, the same in \`lockkeeper.json\` in the folder:
\`{"v004_slim": {"lint-ignore": ["column-loss: nobody has read it since release 4"]}}\`.

In GitHub Actions:

\`\`\`yaml
- run: npx lockkeeper lint --migrations ./migrations --format github
\`\`\`

## Rules

${sections.join('\n')}`
}

function settingsPage(): string {
  const once = [...new Map(Object.values(settings).map(setting => [setting.flags, setting])).values()]
  const rows = once.map(
    ({ env, environmentOnly = false, fallback = '', flags, help }) =>
      `| ${environmentOnly ? '' : `\`${flags.replaceAll('|', '\\|')}\``} | \`${env}\` | ${help} | ${fallback} |`,
  )
  return `# Settings

Made from \`src/config/settings.ts\` by \`npm run docs\`. A flag wins over its environment variable. Durations are written
\`90s\`, \`15m\`, \`48h\`. What a command acts on (a version, a backup's id) is a flag only; \`lockkeeper help COMMAND\` shows it.

| flag | variable | what | default |
| --- | --- | --- | --- |
${rows.join('\n')}

\`DATABASE_URL\` is a path, \`file:///absolute/path.db\`, or SQLAlchemy's form: \`sqlite:////data/app.db\` is absolute,
\`sqlite:///app.db\` relative to the working directory. Where three slashes could mean two files that are both there,
Lockkeeper refuses (78) and names both.
`
}

if (import.meta.main) for (const [path, text] of Object.entries(pages)) await writeFile(new URL(path, root), text)

/** Whether a page on disk is what it would be made to be. */
export async function isCurrent(path: string): Promise<boolean> {
  return (await readFile(new URL(path, root), 'utf8')) === pages[path]
}
