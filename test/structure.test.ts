/** The rooms of the house and the arrows between them, as ARCHITECTURE.md draws them. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** Which rooms a room may import from, beside itself and the files at the top that every room may use. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  cli: ['commands', 'config', 'job', 'report', 'signals'],
  signals: [],
  index: ['job', 'lint', 'migrations', 'validation', 'backup', 'database'],
  commands: [
    'config',
    'schedule',
    'serve',
    'fossawork',
    'job',
    'lint',
    'migrations',
    'validation',
    'backup',
    'storage',
  ],
  config: [],
  report: ['job'],
  schedule: ['job', 'backup'],
  serve: ['report', 'job'],
  fossawork: ['job'],
  job: ['migrations', 'validation', 'backup', 'schema', 'storage', 'sandbox', 'database'],
  lint: ['migrations', 'validation', 'schema', 'database'],
  migrations: ['schema', 'database'],
  validation: ['schema', 'database'],
  backup: ['storage'],
  schema: ['database'],
  storage: [],
  sandbox: ['database'],
  database: [],
}
const forEverybody = ['errors', 'lost-wakeups', 'units', 'version']

const root = new URL('../', import.meta.url).pathname
const files = globSync('src/**/*.ts', { cwd: root })

test('every file stands in a room that ARCHITECTURE.md knows', () => {
  const rooms = new Set(files.map(roomOf))
  expect([...rooms].filter(room => arrows[room] === undefined && !forEverybody.includes(room))).toEqual([])
})

test('imports follow the arrows', () => {
  const wrong = files.flatMap(file =>
    importsOf(file)
      .map(target => ({ from: roomOf(file), target, to: roomOf(target) }))
      .filter(({ from, to }) => from !== to && !forEverybody.includes(to) && !arrows[from]?.includes(to))
      .map(({ from, to, target }) => `${file} (${from}) imports ${target} (${to})`),
  )
  expect(wrong).toEqual([])
})

test('only the command line prints, exits or reads the environment', () => {
  const forbidden = /\bprocess\.(exit|exitCode|env|stdout|stderr|argv)\b|\bconsole\./
  // These are, or contain, programs that run in a process of their own.
  const programs = ['src/cli.ts', 'src/signals.ts', 'src/database/child.ts', 'src/migrations/modules.ts']
  const outside = files.filter(file => !programs.includes(file))
  expect(outside.filter(file => forbidden.test(withoutComments(readFileSync(join(root, file), 'utf8'))))).toEqual([])
})

test('there is no file of more than 300 lines', () => {
  expect(files.filter(file => readFileSync(join(root, file), 'utf8').split('\n').length > 300)).toEqual([])
})

function roomOf(file: string): string {
  return file.split('/')[1]?.replace(/\.ts$/, '') ?? ''
}

function importsOf(file: string): string[] {
  const text = withoutComments(readFileSync(join(root, file), 'utf8'))
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)
  return [...found]
    .map(([, target = '']) => relative(root, join(root, dirname(file), target)))
    .filter(path => path.startsWith('src/'))
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}
