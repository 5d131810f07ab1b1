/** Deploys under fire for a few minutes, and faults that this finds. `npm run torture` is the same without an end. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { freshFolder } from '../support/folder.ts'
import { type faults, plant } from './faults.ts'
import type { Landed } from './lane.ts'

const harness = fileURLToPath(new URL('torture.ts', import.meta.url))
const built = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Strikes this program so many times, for so many seconds at most. */
function torture(program: string, ...options: string[]): Promise<Landed[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [harness, '--json', '--program', program, ...options],
      { maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => {
        // It ends with 1 also when something was lost.
        if (stdout === '') reject(new Error(stderr, { cause: error }))
        else resolve(JSON.parse(stdout).landed)
      },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
  })
}

test('blows at random instants lose no row, leave nothing half done, and the next run finishes', {
  timeout: 400_000,
}, async () => {
  const landed = await torture(built, '--blows', '300', '--seconds', '75')
  expect(landed.filter(({ problems }) => problems.length > 0)).toEqual([])
  expect(landed.length).toBeGreaterThan(10)
})

test('a container that is killed as a whole loses no row either', { timeout: patience }, async () => {
  const { image } = await lockkeeperImage()
  const landed = await torture(built, '--image', image, '--blows', '12', '--seconds', '120')
  expect(landed.filter(({ problems }) => problems.length > 0)).toEqual([])
  expect(landed.filter(({ kind }) => kind === 'SIGKILL of both').length).toBeGreaterThan(2)
})

/** What the harness says of each planted fault, and blows that find it soon. */
const finds: Readonly<Record<keyof typeof faults, readonly [finding: RegExp, only: string, seed: string]>> = {
  'a lock that is not taken': [/rows at the commit that its backup does not have/, 'goes on', '1'],
  'a commit that does not wait for the backup': [/is not in the repository/, 'SIGKILL', '1'],
  'a child that outlives its parent': [/outlived the job/, 'SIGKILL of the job', '1'],
  'a commit after each migration': [/it stands at|bookkeeping|schema/, 'SIGKILL of both', '1'],
  'a write-ahead log that is thrown away': [/are there|are missing/, 'SIGTERM', '18'],
}

test.each(Object.entries(finds))('finds %s', { timeout: 300_000 }, async (fault, [finding, only, seed]) => {
  const program = plant(fault as keyof typeof faults, join(await freshFolder(), 'planted'))
  const options = ['--blows', '150', '--until', finding.source, '--only', only, '--seconds', '200', '--seed', seed]
  const landed = await torture(program, ...options)
  const found = landed.flatMap(({ problems }) => problems)
  expect(found).toEqual(expect.arrayContaining([expect.stringMatching(finding)]))
})
