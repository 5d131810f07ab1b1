import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { commands as declared } from '../../src/commands/all.ts'
import { settingsOf } from '../../src/commands/arguments.ts'
import { settings } from '../../src/config/settings.ts'

import { exitCodes } from '../../src/errors.ts'
import { errorOf, expectRefused, lockkeeper } from '../support/cli.ts'
import { newPlace } from '../support/workplace.ts'

const commands = [...new Set(declared.map(({ group, name }) => group?.name ?? name))]
const json = { env: { LOCKKEEPER_LOG_FORMAT: 'json' } }
const pretty = { env: { LOCKKEEPER_LOG_FORMAT: 'pretty' } }

const wrong: readonly [string, readonly string[], RegExp][] = [
  [
    'a wrong flag, with a suggestion',
    ['run', '--lock-timout', '3s'],
    /unknown option '--lock-timout' \(Did you mean --lock-timeout\?\)/,
  ],
  ['a wrong command, with a suggestion', ['rollbak'], /unknown command 'rollbak' \(Did you mean rollback\?\)/],
  ['a flag without its value', ['run', '--lock-timeout'], /'--lock-timeout <duration>' argument missing/],
  ['a word too many', ['run', 'now'], /too many arguments for 'run'/],
  ['a part of validate that there is not', ['validate', '--only', 'schema,weather', '--database', 'x'], /weather/],
  [
    'a tier that there is not',
    ['backup', '--tier', 'hourly', '--database', 'x', '--repository', 'file:///x'],
    /hourly/,
  ],
  [
    'a restore without a choice',
    ['restore', '--database', 'x', '--repository', 'file:///x'],
    /--latest, --id, --at, --interactive and --undo/,
  ],
  [
    'a restore with two choices',
    ['restore', '--latest', '--id', '1', '--database', 'x', '--repository', 'file:///x'],
    /--latest, --id, --at, --interactive and --undo/,
  ],
  ['a time that is none', ['restore', '--at', 'teatime', '--database', 'x', '--repository', 'file:///x'], /teatime/],
  ['a rollback without a target', ['rollback', '--database', 'x'], /--version, --to and --steps/],
  [
    'a wrong command behind a word',
    ['fossawork', 'import-v2'],
    /unknown command 'import-v2' \(Did you mean import-v1\?\)/,
  ],
  ['an import without a folder', ['fossawork', 'import-v1', '--database', 'x'], /the data folder of V1 is not named/],
  [
    'a secret as a flag',
    ['fossawork', 'import-v1', '--encryption-password', 'x'],
    /unknown option '--encryption-password'/,
  ],
  ['a number of steps that is none', ['rollback', '--steps', 'two', '--database', 'x'], /two/],
]

describe('refused as usage', () => {
  test.each(wrong)('%s', async (_, args, says) => {
    const ran = await lockkeeper(args, json)
    expectRefused(ran, 64, says)
    expect(ran.stdout).toBe('')
  })

  test.each(wrong)('%s, for a person', async (_, args, says) => {
    const ran = await lockkeeper(args, pretty)
    expect(ran.exit).toBe(64)
    expect(ran.stderr).toMatch(new RegExp(`^error: .*${says.source}`, 'm'))
    expect(ran.stderr).not.toMatch(/^\s+at /m)
  })

  test.each(wrong)('%s, as one JSON document with --json', async (_, args, says) => {
    const words = args.findIndex(arg => arg.startsWith('-'))
    const ran = await lockkeeper(args.toSpliced(words === -1 ? args.length : words, 0, '--json'), json)
    const { error } = JSON.parse(ran.stdout)
    expect(error).toMatchObject({ code: 'usage', exit: 64, message: expect.stringMatching(says) })
    expect(error.hint).toMatch(/\w/)
  })

  test('and a pod says it in its termination message', async () => {
    const place = newPlace({ LOCKKEEPER_TERMINATION_LOG: 'last-word' })
    await place.run(['run', '--wrong'])
    const [sentence, facts = ''] = readFileSync(`${place.folder}/last-word`, 'utf8').split('\n')
    expect(sentence).toContain('--wrong')
    expect(JSON.parse(facts)).toMatchObject({ code: 'usage', exit: 64 })
  })
})

describe('help', () => {
  test.each([['--help'], ['-h'], ['help']])('%s lists every command, with examples and the exit codes', async arg => {
    const ran = await lockkeeper([arg])
    expect(ran).toMatchObject({ exit: 0, stderr: '' })
    for (const command of commands) expect(ran.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    for (const [name, { exit, when }] of Object.entries(exitCodes)) {
      expect(ran.stdout).toMatch(new RegExp(`^ +${exit} +${name} `, 'm'))
      expect(ran.stdout).toContain(when)
    }
    expect(ran.stdout).toMatch(/Examples:\n {2}lockkeeper run /)
  })

  test.each(declared)('of $name shows its settings with their variables, and examples', async declaration => {
    const { group, name } = declaration
    const command = group === undefined ? name : `${group.name} ${name}`
    const [flag, word] = await Promise.all([
      lockkeeper([...command.split(' '), '--help']),
      lockkeeper(group === undefined ? ['help', name] : [group.name, 'help', name]),
    ])
    expect(flag).toMatchObject({ exit: 0, stderr: '' })
    expect(word.stdout).toBe(flag.stdout)
    for (const setting of settingsOf(declaration)) expect(flag.stdout).toContain(settings[setting].env)
    expect(flag.stdout).toContain('--json')
    expect(flag.stdout).toMatch(new RegExp(`Examples:\n {2}lockkeeper ${command}\\b`))
    expect(Math.max(...flag.stdout.split('\n').map(line => line.length))).toBeLessThanOrEqual(120)
  })

  test('without a command goes to standard error, so that a pod without one fails', async () => {
    const ran = await lockkeeper([])
    expect(ran).toMatchObject({ exit: 64, stdout: '' })
    expect(ran.stderr).toContain('Usage: lockkeeper')
    expect(
      errorOf({
        ...ran,
        stderr: ran.stderr
          .split('\n')
          .filter(line => line.startsWith('{'))
          .join('\n'),
      }).hint,
    ).toContain('lockkeeper run')
  })

  test.each([[['fossawork', '--help']], [['help', 'fossawork']]])(
    '%j lists the commands behind that word',
    async args => {
      const ran = await lockkeeper(args)
      expect(ran).toMatchObject({ exit: 0, stderr: '' })
      for (const { group, name } of declared)
        if (group?.name === 'fossawork') expect(ran.stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    },
  )

  test('of a word without a command behind it goes to standard error', async () => {
    const ran = await lockkeeper(['fossawork'], json)
    expect(ran).toMatchObject({ exit: 64, stdout: '' })
    expect(ran.stderr).toContain('Usage: lockkeeper fossawork')
    expect(ran.stderr).toContain('lockkeeper help fossawork shows its commands')
  })

  test('of a command that there is not is refused', async () => {
    expect((await lockkeeper(['help', 'nonsense'])).exit).toBe(64)
  })
})

test('--version is the version of the package, and an option of rollback', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(await lockkeeper(['--version'])).toMatchObject({ exit: 0, stdout: `${version}\n`, stderr: '' })
  const rollback = await lockkeeper(['rollback', '--version', 'v001', '--database', '/nowhere/app.db'], json)
  expect(rollback.exit).not.toBe(0)
  expect(rollback.stdout).toBe('')
})
