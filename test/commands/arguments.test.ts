/** What is understood without commander is understood as commander does. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { commands, runProgram } from '../../src/commands/all.ts'
import { type Given, plainArguments, settingsOf } from '../../src/commands/arguments.ts'
import { settings } from '../../src/config/settings.ts'

async function byCommander(args: readonly string[]): Promise<Given | undefined> {
  let given: Given | undefined
  const ignore = () => {}
  const execute = async (understood: Given) => {
    given = understood
  }
  await runProgram(args, commands, { version: '0', writeOut: ignore, writeErr: ignore, execute }).catch(ignore)
  return given
}

const defined = (given: Given | undefined) => given && { ...JSON.parse(JSON.stringify(given)), command: given.command }

const flags = commands.flatMap(command => [
  ...(command.options ?? []).map(option => option.flags),
  ...settingsOf(command).map(name => settings[name].flags),
])
const word = fc.oneof(
  fc.constantFrom(
    '--json',
    '--help',
    '--',
    '-h',
    '',
    'v1',
    '-1',
    '--to=x',
    '--to=',
    '--no-backup=1',
    '--drift=warn',
    'a=b',
  ),
  fc.constantFrom(...flags).map(flag => flag.split(' ')[0] ?? ''),
  fc.constantFrom(...flags).map(flag => `${flag.split(' ')[0]}=value`),
  fc.string(),
)
const name = fc.constantFrom(...commands.map(command => command.name), 'migrate', 'help', 'rum')

test('whatever the arguments are', async () => {
  await fc.assert(
    fc.asyncProperty(name, fc.array(word, { maxLength: 5 }), async (command, rest) => {
      const args = [command, ...rest]
      const plain = plainArguments(args, commands)
      if (plain !== undefined) expect(defined(plain)).toEqual(defined(await byCommander(args)))
    }),
    { numRuns: 500 },
  )
})

describe('understood without it', () => {
  test.each([
    [['run']],
    [['migrate', '--to', 'v3', '--json']],
    [['run', '--database=/data/app.db', '--lock-timeout', '5s', '--no-backup', '--first-install']],
    [['rollback', '--steps=1', '--allow-row-loss']],
  ])('%j', async args => {
    const plain = plainArguments(args, commands)
    expect(plain).toBeDefined()
    expect(defined(plain)).toEqual(defined(await byCommander(args)))
  })
})

describe('left to commander', () => {
  test.each([
    [[]],
    [['run', '--help']],
    [['run', 'now']],
    [['run', '--to']],
    [['run', '--to', '--json']],
    [['run', '--tto', 'x']],
  ])('%j', args => {
    expect(plainArguments(args, commands)).toBeUndefined()
  })
})
