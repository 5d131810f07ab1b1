/** The package as another project gets it: its types, and the examples of docs/library.md, compiled and run. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { retentionSettings } from '../src/commands/from-config.ts'
import { resolveSettings } from '../src/config/resolve.ts'
import { defaults } from '../src/job/defaults.ts'
import { freshFolder } from './support/folder.ts'
import { newPlace } from './support/workplace.ts'

const root = new URL('../', import.meta.url).pathname
const page = readFileSync(join(root, 'docs/library.md'), 'utf8')
const examples = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code)

function run(program: string, args: readonly string[], cwd: string): string {
  return execFileSync(process.execPath, [join(root, 'node_modules', program), ...args], { cwd, encoding: 'utf8' })
}

/** A project with the package in it, as `npm pack` would put it there. */
async function project(): Promise<string> {
  const folder = await freshFolder()
  const installed = join(folder, 'node_modules/lockkeeper')
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  run('typescript/bin/tsc', ['-p', 'tsconfig.types.json', '--outDir', join(installed, 'dist/types')], root)
  symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
  const compilerOptions = {
    module: 'nodenext',
    strict: true,
    noEmit: true,
    types: ['node'],
    target: 'esnext',
    exactOptionalPropertyTypes: true,
  }
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  return folder
}

test('the examples of the page compile in another project, and do what they say', { timeout: 120_000 }, async () => {
  const folder = await project()
  const place = newPlace()
  place.migration('v001', '-- migrate:up\nCREATE TABLE a (x);\n-- migrate:down\nDROP TABLE a;\n')
  place.migration('v002', '-- migrate:up\nCREATE TABLE b (x);\n-- migrate:down\nDROP TABLE b;\n')
  expect(examples).toHaveLength(4)
  for (const [at, code] of examples.entries())
    writeFileSync(
      join(folder, `example-${at}.ts`),
      code
        .replaceAll('/data/app.db', place.database)
        .replaceAll("'./migrations'", JSON.stringify(place.migrations))
        .replaceAll('file:///backups/app', pathToFileURL(place.repository).href),
    )
  run('typescript/bin/tsc', ['-p', '.'], folder)
  const said = examples.map((_, at) => ran(join(folder, `example-${at}.ts`)))
  expect(said[0]).toContain('commit at v002')
  expect(said[0]).toContain('at v002; the way back is not needed')
  expect(said[1]).toMatch(/id: '00000001-.*-daily-v002',\s+level: 'v002',\s+pending: \[\],\s+problem: null/)
  expect(said[2]).toMatch(/-pre-migration-v002 is back; what was there before it is .*-pre-restore-v001/)
  expect(said[3]).toContain('exit 78\nthe folder of migrations cannot be read')
})

function ran(file: string): string {
  try {
    return execFileSync(process.execPath, [file], { encoding: 'utf8', env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { status, stderr } = error as { readonly status: number; readonly stderr: string }
    return `exit ${status}\n${stderr}`
  }
}

test('what is published is the program, its types and three pages', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(packed) as [{ readonly files: readonly { readonly path: string }[] }]
  const outside = files.map(({ path }) => path).filter(path => !path.startsWith('dist/'))
  expect(outside.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
})

test('what is left out of the options is what is left out on the command line', () => {
  const shared = ['adopt', 'allowRowLoss', 'firstInstall', 'grace', 'lockTimeout', 'outOfOrder'] as const
  const { drift, ignore, ...rest } = resolveSettings([...shared, 'drift', 'ignore', ...retentionSettings], {}, {})
  const { policy, ...filled } = defaults()
  expect({ ...filled, ...policy }).toMatchObject({ ...rest, drift: { policy: drift, ignore } })
})
