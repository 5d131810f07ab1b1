/** A deploy with nothing to do is nearly free: nothing is loaded or started that it does not need. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { expectOk } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import type { Workplace } from '../support/workplace.ts'

interface Loaded {
  /** Each process, and each worker thread, writes one report. */
  readonly reports: number
  /** The files of `dist/` that were loaded by any of them. */
  readonly files: readonly string[]
  /** The sources, and the packages, of those files. */
  readonly sources: readonly string[]
}

/** Runs a command and asks V8's coverage which files it loaded; the source maps say what is in them. */
async function loadedBy(place: Workplace, args: readonly string[]): Promise<Loaded> {
  const folder = join(place.folder, `coverage-${args.join('-')}`)
  mkdirSync(folder)
  expectOk(await place.run(args, { NODE_V8_COVERAGE: folder }))
  const reports = readdirSync(folder)
  const scripts = reports.flatMap(name => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] }
    return result.map(({ url }) => url).filter(url => url.includes('/dist/'))
  })
  const files = [...new Set(scripts)]
  const sources = files.flatMap(url => {
    const map = `${fileURLToPath(url)}.map`
    return existsSync(map) ? (JSON.parse(readFileSync(map, 'utf8')).sources as string[]) : [basename(map)]
  })
  return {
    reports: reports.length,
    files: files.map(url => basename(url)),
    sources: sources.map(source => source.replace(/^(\.\.\/)+/, '')),
  }
}

const rooms = (sources: readonly string[]) => [
  ...new Set(sources.flatMap(source => /^src\/(backup|storage|sandbox|job)\//.exec(source)?.[1] ?? [])),
]

test('a run with nothing to do stays in one process and loads neither backups, stores, nor the sandbox', async () => {
  const place = await shop({ mode: 'wal' })
  const { files, reports, sources } = await loadedBy(place, ['run'])
  expect(reports).toBe(1)
  // Each further file would cost half a millisecond.
  expect(files).toEqual(['cli.js'])
  expect(sources).toContain('src/cli.ts')
  expect(sources).toContain('src/job/deploy.ts')
  // The names of the tiers, for the help of commands.
  expect(
    sources.filter(source => /^src\/(backup|storage|sandbox)\//.test(source) && source !== 'src/backup/format.ts'),
  ).toEqual([])
  expect(
    sources.filter(source =>
      /src\/(job\/(upgrade|change|save|take)|migrations\/apply|schema\/compare)\.ts$/.test(source),
    ),
  ).toEqual([])
  expect(packagesIn(sources)).toEqual(['env-var'])
})

/** Node's own streams, and what loads them by being imported in the usual way: see `scripts/builtins.ts`. */
const heavy = ['internal/fs/promises', 'child_process', 'worker_threads', 'net', 'tty', 'zlib', 'perf_hooks']

test('nor does it load what is heavy of Node itself', async () => {
  const place = await shop({ mode: 'wal' })
  const list = join(place.folder, 'list.mjs')
  writeFileSync(
    list,
    `import { writeFileSync } from 'node:fs'
     const before = new Set(process.moduleLoadList)
     process.on('exit', () => writeFileSync(${JSON.stringify(`${list}.json`)}, JSON.stringify(process.moduleLoadList.filter(name => !before.has(name)))))`,
  )
  expectOk(await place.run(['run'], { NODE_OPTIONS: `--import ${pathToFileURL(list).href}` }))
  const loaded = (JSON.parse(readFileSync(`${list}.json`, 'utf8')) as string[]).map(name => name.split(' ')[1])
  expect(loaded).toContain('sqlite')
  expect(loaded.filter(name => heavy.includes(name ?? ''))).toEqual([])
})

const packagesIn = (sources: readonly string[]) => [
  ...new Set(sources.flatMap(source => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [])),
]

test('a run that changes something with a repository in a folder does not load the AWS SDK', async () => {
  const place = await shop()
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  const { sources } = await loadedBy(place, ['run'])
  expect(rooms(sources)).toEqual(expect.arrayContaining(['backup', 'storage', 'job']))
  expect(sources.filter(source => /@aws-sdk|smithy|node-sqlite3-wasm/.test(source))).toEqual([])
})

test('only a restore loads the sandbox', async () => {
  const place = await shop()
  expectOk(await place.run(['backup']))
  expect(rooms((await loadedBy(place, ['backups'])).sources)).not.toContain('sandbox')
  expect(rooms((await loadedBy(place, ['restore', '--latest'])).sources)).toContain('sandbox')
})
