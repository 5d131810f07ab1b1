/** Runs the commands of the page, each section where something is lost in that way. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { expectOk } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, type Workplace } from '../support/workplace.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(`${root}docs/disaster-recovery.md`, 'utf8')

/** The blocks of commands, by the heading above them. */
const sections = new Map(
  page.split(/^## /m).map(section => {
    const [heading = ''] = section.split('\n')
    return [heading, [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)] as const
  }),
)

/** Runs a block as a person would, with the places of the test in place of the page's. */
function runBlock(place: Workplace, block: string): string {
  const bin = join(place.folder, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'lockkeeper'), `#!/bin/sh\nexec '${process.execPath}' '${root}dist/cli.js' "$@"\n`)
  chmodSync(join(bin, 'lockkeeper'), 0o755)
  const script = block
    .replaceAll('/data/app.db', place.database)
    .replaceAll('/tmp/look.db', join(place.folder, 'look.db'))
    .replaceAll('file:///new/place', pathToFileURL(join(place.folder, 'new')).href)
    .replaceAll('file:///copy', pathToFileURL(join(place.folder, 'copy')).href)
  const env = { ...place.env, HOME: process.env['HOME'], PATH: `${bin}:${process.env['PATH']}` }
  return execFileSync('bash', ['-ec', script], { cwd: place.folder, env, encoding: 'utf8' })
}

async function backedUp(): Promise<{ place: Workplace; full: ReturnType<typeof applicationOf> }> {
  const place = await shop()
  expectOk(await place.run(['backup']))
  return { place, full: applicationOf(place.database) }
}

const losses: readonly [string, (place: Workplace) => void][] = [
  ['What there is', () => {}],
  ['A few rows', ({ database }) => pythonSql(database, 'DELETE FROM customers WHERE id > 1')],
  ['A table', ({ database }) => pythonSql(database, 'DROP TABLE orders')],
  ['The database', ({ database }) => writeFileSync(database, 'Dear diary,\n'.repeat(1000))],
  ['The volume', ({ database }) => rmSync(database)],
  ['Without a shell', ({ database }) => pythonSql(database, 'DELETE FROM orders')],
]

test.each(losses)('%s: the commands bring it back', async (heading, lose) => {
  const { place, full } = await backedUp()
  const [first = '', ...rest] = sections.get(heading) ?? []
  lose(place)
  runBlock(place, first)
  expect(applicationOf(place.database)).toEqual(full)
  if (heading === 'The database') {
    pythonSql(place.database, 'DELETE FROM orders')
    const before = applicationOf(place.database)
    expectOk(await place.run(['restore', '--latest']))
    runBlock(place, rest[0]!)
    expect(applicationOf(place.database)).toEqual(before)
  }
  if (heading === 'The volume') {
    lose(place)
    runBlock(place, rest[0]!)
    expect(applicationOf(place.database)).toEqual(full)
  }
})

test('The bucket: new backups are made, and a copy of the old ones is a repository', async () => {
  const { place, full } = await backedUp()
  cpSync(place.repository, join(place.folder, 'copy'), { recursive: true })
  rmSync(place.repository, { recursive: true })
  const [fresh = '', copy = ''] = sections.get('The bucket') ?? []
  expect(runBlock(place, fresh)).toContain('Backup 00000001')
  pythonSql(place.database, 'DELETE FROM orders')
  runBlock(place, copy)
  expect(applicationOf(place.database)).toEqual(full)
})

test('every block of the page belongs to a section that is run', () => {
  const run = new Set([...losses.map(([heading]) => heading), 'The bucket'])
  expect([...sections].filter(([heading, blocks]) => blocks.length > 0 && !run.has(heading))).toEqual([])
  expect([...run].filter(heading => !sections.has(heading))).toEqual([])
})
