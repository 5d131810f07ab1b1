import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { readCheck } from '../../src/backup/checks.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { listKey, manifestKey } from '../../src/backup/format.ts'
import { makeList } from '../../src/backup/lists.ts'
import { sealManifest } from '../../src/backup/manifest.ts'
import { readMarks } from '../../src/backup/marks.ts'
import { findBackup } from '../../src/backup/select.ts'
import { type VerifyOptions, type VerifyReport, verifyBackup } from '../../src/backup/verify.ts'
import { WorkingCopy } from '../../src/backup/working-copy.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { withOneBitFlipped } from '../support/damage.ts'
import {
  backup,
  by,
  catalogOf,
  change,
  forget,
  freshRepository,
  integrityCheck,
  makeDatabase,
  objectsOf,
  observed,
  refusal,
  sha256Of,
} from './support.ts'

async function fresh() {
  const test = await freshRepository()
  const database = test.path('app.db')
  makeDatabase(database, { rows: 150 })
  const { manifest } = await backup(test, database)
  let copies = 0
  const contents = [...objectsOf(test.root).keys()].filter(key => /^(chunks|lists)/.test(key))
  return {
    ...test,
    database,
    manifest,
    contents,
    /** With a copy that has nothing from another backup. */
    get options(): VerifyOptions {
      return { inspect: integrityCheck, copy: new WorkingCopy(test.path(`copy-${++copies}`)), by }
    },
  }
}

async function verified(...of: Parameters<typeof verifyBackup>): Promise<VerifyReport> {
  const report = await verifyBackup(...of)
  if (report === undefined) throw new Error('it was removed meanwhile')
  return report
}

describe('verifying a backup', () => {
  it('that is good says so, and records it', async () => {
    const test = await fresh()
    const report = await verified(test.repository, test, test.options)
    expect(report).toMatchObject({
      check: {
        backup: test.manifest.id,
        kind: 'verification',
        result: 'good',
        how: 'integrity_check by node:sqlite',
        problems: [],
        by,
      },
      objects: [],
      inspection: { problems: [] },
    })
    expect(report.recorded).toMatch(
      new RegExp(`^checks/${test.manifest.id.replaceAll('+', '\\+')}/\\d{8}T\\d{6}Z-verification-good\\.json$`),
    )
    const { backups, problems } = await catalogOf(test)
    expect(problems).toEqual([])
    expect(backups[0]).toMatchObject({ checked: 'good', check: { key: report.recorded } })
    expect(await readCheck(test.repository, backups[0]!.check!)).toEqual(report.check)
  })

  it('hands over a private copy of the database', async () => {
    const test = await fresh()
    let seen = ''
    const inspect = async (path: string) => {
      seen = path
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect(sha256Of(path)).toBe(test.manifest.database.sha256)
      return { how: 'by hand', problems: [], notes: [] }
    }
    await verified(test.repository, test, { ...test.options, inspect })
    expect(seen).toBe(test.path('copy-1'))
  })

  it('that holds a corrupt database says what is wrong with it', async () => {
    const test = await fresh()
    const corrupt = await readFile(test.database)
    corrupt.fill(0xff, 4096 * 5, 4096 * 6)
    await writeFile(test.database, corrupt)
    const { manifest } = await backup(test, test.database)
    const report = await verified(test.repository, { manifest }, test.options)
    expect(report.check.result).toBe('bad')
    expect(report.objects).toEqual([])
    expect(report.check.problems.length).toBeGreaterThan(0)
    expect(report.inspection?.problems).toEqual(report.check.problems)
    const { backups } = await catalogOf(test)
    expect(backups.map(({ checked }) => checked)).toEqual(['unchecked', 'bad'])
    expect((await findBackup(test.repository, { latest: true })).backup.id).toBe(test.manifest.id)
  })

  it('of a database that was known to be damaged is never good, and recorded only when objects of it are not right', async () => {
    const test = await fresh()
    const { manifest } = await backup(test, test.database, { damaged: 'page 3' })
    const { check, recorded } = await verified(test.repository, { manifest }, test.options)
    expect(check).toMatchObject({ result: 'bad', problems: ['the database was damaged when it was backed up: page 3'] })
    expect(recorded).toBeUndefined()
    expect((await catalogOf(test)).backups.map(({ checked }) => checked)).toEqual(['unchecked', 'unchecked'])
  })

  it('can be a drill', async () => {
    const test = await fresh()
    const { recorded } = await verified(test.repository, test, { ...test.options, kind: 'drill' })
    expect((await catalogOf(test)).backups[0]?.check).toMatchObject({ key: recorded, kind: 'drill', result: 'good' })
  })

  it('of an empty database works', async () => {
    const test = await fresh()
    await writeFile(test.path('empty'), '')
    const { manifest } = await backup(test, test.path('empty'))
    expect((await verified(test.repository, { manifest }, test.options)).check.result).toBe('good')
  })

  it.each(['inspect', 'gets', 'stop'])('that breaks off (%s) records nothing', async how => {
    const test = await fresh()
    const controller = new AbortController()
    const reason = new LockkeeperError('storage', 'broke off')
    const { store } = observed(test.repository.store, call => {
      if (call !== 'gets') return
      if (how === 'gets') throw reason
      if (how === 'stop') controller.abort(reason)
    })
    const inspect = async () => {
      throw reason
    }
    const verifying = verifyBackup({ ...test.repository, store }, test, {
      ...test.options,
      inspect,
      signal: controller.signal,
    })
    expect(await refusal(verifying)).toBe(reason)
    expect([...objectsOf(test.root).keys()].filter(key => key.startsWith('checks/'))).toEqual([])
  })

  it('says when there is no folder for the copy', async () => {
    const test = await fresh()
    const copy = new WorkingCopy(test.path('none/copy'))
    const error = await refusal(verifyBackup(test.repository, test, { ...test.options, copy }))
    expect(error.code).toBe('missing')
  })

  it('looks at the file in the sandbox of the caller only, never at one that is incomplete', async () => {
    const test = await fresh()
    await test.repository.store.deleteMany([test.contents[0] ?? ''])
    let looked = false
    const inspect = async () => {
      looked = true
      return { how: '', problems: [], notes: [] }
    }
    const report = await verified(test.repository, test, { ...test.options, inspect })
    expect(looked).toBe(false)
    expect(report).toMatchObject({ inspection: undefined, check: { how: null, result: 'bad' } })
  })
})

describe('verifying one backup after the other in one copy', () => {
  /** The keys of chunks and lists that this asks for. */
  async function askedBy(test: Awaited<ReturnType<typeof fresh>>, work: () => Promise<unknown>): Promise<string[]> {
    forget(test.asked)
    await work()
    return test.asked.gets.filter(key => /^(chunks|lists)/.test(key)).sort()
  }

  it('fetches what they have in common once', async () => {
    const test = await fresh()
    change(test.database, "UPDATE visits SET note = 'changed' WHERE id = 100")
    const next = await backup(test, test.database)
    const { options } = test
    await verified(test.repository, test, options)
    const again = await askedBy(test, () => verified(test.repository, test, options))
    expect(again).toEqual([])
    let report: VerifyReport | undefined
    const different = await askedBy(test, async () => (report = await verified(test.repository, next, options)))
    expect(report?.check.result).toBe('good')
    expect(different.length).toBe(next.stored.chunks + 1)
    expect(report?.fetched).toBe(next.stored.chunks)
    expect(sha256Of(options.copy.path)).toBe(sha256Of(test.database))
    // And back, where the file is a smaller one.
    change(test.database, 'DELETE FROM visits WHERE id > 50; VACUUM')
    const small = await backup(test, test.database)
    for (const each of [small, next, small, test]) {
      expect((await verified(test.repository, each, options)).check.result).toBe('good')
      expect(sha256Of(options.copy.path)).toBe(each.manifest.database.sha256)
    }
  })

  it('fetches again what was changed in the copy', async () => {
    const test = await fresh()
    const { options } = test
    await verified(test.repository, test, options)
    const content = await readFile(options.copy.path)
    content.fill(1, 4096 * 3, 4096 * 5)
    await writeFile(options.copy.path, content.subarray(0, 4096 * 7))
    await writeFile(`${options.copy.path}-wal`, 'left by whoever looked')
    const report = await verified(test.repository, test, options)
    expect(report.check.result).toBe('good')
    expect(report.fetched).toBe(2 + test.manifest.chunks.count - 7)
    expect(sha256Of(options.copy.path)).toBe(test.manifest.database.sha256)
    expect(existsSync(`${options.copy.path}-wal`)).toBe(false)
  })

  it('names everything that they consist of', async () => {
    const test = await fresh()
    const named = new Set<string>()
    await verified(test.repository, test, { ...test.options, onNamed: key => named.add(key) })
    expect([...named].sort()).toEqual(test.contents.sort())
  })

  it('does not take one that is removed meanwhile for a bad one', async () => {
    const test = await fresh()
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call !== 'gets' || !key.startsWith('chunks/')) return
      await test.repository.store.deleteMany([manifestKey(test.manifest.id), ...test.contents])
    })
    expect(await verifyBackup({ ...test.repository, store }, test, test.options)).toBeUndefined()
    expect([...objectsOf(test.root).keys()].filter(key => /^(checks|marks)/.test(key))).toEqual([])
  })
})

describe('what a verification finds', () => {
  it('is each single object that is missing, by name', async () => {
    const test = await fresh()
    for (const key of test.contents) {
      const content = await readFile(join(test.root, key))
      await test.repository.store.deleteMany([key])
      const { objects, check } = await verified(test.repository, test, test.options)
      expect(objects).toEqual([{ key, problem: 'missing', message: `${key}: is missing` }])
      expect(check).toMatchObject({ result: 'bad', problems: [`${key}: is missing`] })
      await test.repository.store.putIfAbsent(key, content)
    }
    expect((await verified(test.repository, test, test.options)).check.result).toBe('good')
    expect([...objectsOf(test.root).keys()].filter(key => key.startsWith('marks/'))).toEqual([])
  })

  it('is each single object that has one bit flipped, by name', async () => {
    const test = await fresh()
    for (const key of test.contents) {
      const path = join(test.root, key)
      const content = await readFile(path)
      await writeFile(path, withOneBitFlipped(content, key))
      const { objects, check } = await verified(test.repository, test, test.options)
      expect(objects.map(object => [object.key, object.problem])).toEqual([[key, 'damaged']])
      expect(check.problems[0]).toContain(key)
      await writeFile(path, content)
    }
    expect((await verified(test.repository, test, test.options)).check.result).toBe('good')
  })

  it('is everything at once, not just the first', async () => {
    const test = await fresh()
    const chunks = test.contents.filter(key => key.startsWith('chunks/')).sort()
    const [a = '', b = '', c = '', d = ''] = chunks
    await test.repository.store.deleteMany([a, b])
    await writeFile(join(test.root, c), 'rubbish')
    await writeFile(join(test.root, d), '')
    const { objects } = await verified(test.repository, test, test.options)
    const found = objects.map(({ key, problem }) => [key, problem]).sort()
    expect(found).toEqual(
      [
        [a, 'missing'],
        [b, 'missing'],
        [c, 'damaged'],
        [d, 'damaged'],
      ].sort(),
    )
  })

  it('is an object once, however often the backup needs it', async () => {
    const test = await fresh()
    await writeFile(test.path('zeros'), Buffer.alloc(3000 * 4096))
    const { manifest } = await backup(test, test.path('zeros'))
    const [name = ''] = (await readFile(join(test.root, manifest.chunks.lists[0] ?? ''), 'utf8')).split('\n')
    await test.repository.store.deleteMany([name, manifest.chunks.lists[2] ?? ''])
    const { objects } = await verified(test.repository, { manifest }, test.options)
    expect(objects.map(({ key }) => key)).toEqual([name, manifest.chunks.lists[2]])
  })

  it('is chunks behind a list that is missing, where other lists name them', async () => {
    const test = await fresh()
    const bytes = Buffer.alloc(1030 * 4096)
    for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at + 1, at)
    await writeFile(test.path('many'), bytes)
    const { manifest } = await backup(test, test.path('many'))
    const [first = '', second = ''] = manifest.chunks.lists
    const [name = ''] = (await readFile(join(test.root, second), 'utf8')).split('\n')
    await test.repository.store.deleteMany([first, name])
    const { objects } = await verified(test.repository, { manifest }, test.options)
    expect(objects.map(({ key }) => key)).toEqual([first, name])
  })

  it('is the manifest, where all its chunks are right but not together', async () => {
    const test = await fresh()
    const [list = ''] = test.manifest.chunks.lists
    const turned = makeList((await readFile(join(test.root, list), 'utf8')).trimEnd().split('\n').toReversed())
    await test.repository.store.putIfAbsent(listKey(turned.sha256), turned.text)
    const { sha256: _, ...rest } = test.manifest
    const manifest = sealManifest({ ...rest, chunks: { ...rest.chunks, lists: [listKey(turned.sha256)] } })
    const { objects } = await verified(test.repository, { manifest }, test.options)
    expect(objects.map(({ key, problem }) => [key, problem])).toEqual([[manifestKey(manifest.id), 'damaged']])
    expect([...objectsOf(test.root).keys()].filter(key => key.startsWith('marks/'))).toEqual([])
  })

  it('makes the next backup store it again, which is whole then', async () => {
    const test = await fresh()
    const victims = [test.contents.find(key => key.startsWith('chunks/')) ?? '', ...test.manifest.chunks.lists]
    for (const key of victims) await writeFile(join(test.root, key), 'rubbish')
    // Whoever only looks whether they are there relies on them.
    const { check } = await verified(test.repository, test, test.options)
    expect(check.result).toBe('bad')
    // The list is damaged, so the chunks behind it are not seen yet: the next backup reads them back by itself.
    const next = await backup(test, test.database)
    expect(next.stored.chunks).toBe(1)
    expect((await verified(test.repository, next, test.options)).check.result).toBe('good')
    await fetchBackup(test.repository, next, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('makes the next backup avoid a damaged chunk that an intact backup names', async () => {
    const test = await fresh()
    const victim = test.contents.find(key => key.startsWith('chunks/')) ?? ''
    await writeFile(join(test.root, victim), 'rubbish')
    const unaware = await backup(test, test.database)
    expect(unaware.stored.chunks).toBe(0)
    await verified(test.repository, unaware, test.options)
    expect(await Array.fromAsync(readMarks(test.repository))).toMatchObject([{ reason: 'damaged', objects: [victim] }])
    const aware = await backup(test, test.database)
    expect(aware.stored.chunks).toBe(1)
    expect((await verified(test.repository, aware, test.options)).check.result).toBe('good')
    const { backups } = await catalogOf(test)
    expect(backups.map(({ checked }) => checked)).toEqual(['unchecked', 'bad', 'good'])
  })

  it('is what SQLite can open', async () => {
    const test = await fresh()
    const inspect = async (path: string) => {
      const database = new DatabaseSync(path, { readOnly: true })
      const rows = Number(database.prepare('SELECT count(*) AS n FROM visits').get()?.['n'])
      database.close()
      return { how: 'counted', problems: rows === 150 ? [] : [`${rows} rows`], notes: [] }
    }
    expect((await verified(test.repository, test, { ...test.options, inspect })).check.result).toBe('good')
  })
})
