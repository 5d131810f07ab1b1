/** One object of a repository is lost, or one bit of it is another: `verify --all` finds it, and the newest backup that is whole comes back. */
import { hash } from 'node:crypto'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mark } from '../../src/backup/marks.ts'
import { putJson } from '../../src/backup/objects.ts'
import { openRepository } from '../../src/backup/repository.ts'
import { restoreBeside } from '../../src/job/restore/beside.ts'
import { verify } from '../../src/job/verify.ts'
import { fileStore } from '../../src/storage/file.ts'
import { by, change, makeDatabase, objectsOf } from '../backup/support.ts'
import { withOneBitFlipped } from '../support/damage.ts'
import { backUpIn, jobOptions } from '../support/jobs.ts'
import { Workplace } from '../support/workplace.ts'

const place = new Workplace()
afterAll(() => rmSync(place.folder, { recursive: true, force: true }))

/** Ids of the backups, oldest first, with what each holds and the lists and chunks that it needs. */
const backups: { readonly id: string; readonly content: string; readonly needs: ReadonlySet<string> }[] = []
let objects: string[] = []

beforeAll(async () => {
  const store = fileStore(place.repository)
  const repository = await openRepository(store, { databaseName: 'app.db', create: true, chunkSize: 8192 })
  // The first has nothing in common with the others, which share most of what they have.
  const changes = [() => makeDatabase(place.database, { rows: 60 }), makeAnew, changeOneRow]
  for (const make of changes) {
    make()
    const { manifest } = await backUpIn(place)
    const { lists } = manifest.chunks
    const chunks = lists.flatMap(list => readFileSync(join(place.repository, list), 'utf8').trimEnd().split('\n'))
    backups.push({ id: manifest.id, content: contentOf(place.database), needs: new Set([...lists, ...chunks]) })
  }
  await verify({ ...jobOptions(place), which: { id: backups[0]!.id } })
  await mark(repository, 'unused', [`chunks/ab/${'ab'.repeat(32)}.zst`], by)
  await putJson(store, `pins/${backups[0]!.id}.json`, { format: 1, repository: repository.id })
  await store.close()
  objects = [...objectsOf(place.repository).keys()].sort()
})

function makeAnew(): void {
  rmSync(place.database)
  makeDatabase(place.database, { rows: 60 })
}

function changeOneRow(): void {
  change(place.database, "UPDATE visits SET note = 'changed' WHERE id = 50")
}

function contentOf(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare('SELECT * FROM visits ORDER BY id').all()
  db.close()
  return hash('sha256', JSON.stringify(rows))
}

/** A copy of the repository in which something was done to one object. */
function damaged(key: string, spoil: (path: string) => void) {
  const root = join(place.folder, 'spoilt')
  rmSync(root, { recursive: true, force: true })
  cpSync(place.repository, root, { recursive: true })
  spoil(join(root, key))
  return { ...jobOptions(place), repository: { url: pathToFileURL(root).href } }
}

/** The newest backup that does not need this object. */
function newestWithout(key: string) {
  return backups.findLast(({ id, needs }) => !needs.has(key) && key !== `backups/${id}.json`)!
}

async function expectToComeBack(options: ReturnType<typeof damaged>, key: string): Promise<void> {
  const to = join(place.folder, 'back.db')
  rmSync(to, { force: true })
  const { restored } = await restoreBeside({ ...options, selection: { latest: true }, to })
  expect(restored).toBe(newestWithout(key).id)
  expect(contentOf(to)).toBe(newestWithout(key).content)
}

/** All of them with LOCKKEEPER_SWEEP=all; else one of each kind, and a chunk more. */
function chosen(): string[] {
  if (process.env['LOCKKEEPER_SWEEP'] === 'all') return objects
  const kinds = Map.groupBy(objects, key => key.split('/')[0] ?? '')
  return [...kinds].flatMap(([kind, keys]) => keys.sort(() => Math.random() - 0.5).slice(0, kind === 'chunks' ? 2 : 1))
}

describe('every object of a repository', () => {
  test('is of one of these kinds', () => {
    const kinds = new Set(objects.map(key => key.split('/')[0]))
    expect([...kinds].sort()).toEqual(['backups', 'checks', 'chunks', 'lists', 'marks', 'pins', 'repository.json'])
    expect(objects.length, String(objects)).toBeGreaterThan(12)
  })

  test('with one bit flipped is found and named, and the newest backup that is whole comes back', async () => {
    for (const key of chosen()) {
      let spoilt = ''
      const options = damaged(key, path => {
        const bytes = withOneBitFlipped(readFileSync(path), key)
        writeFileSync(path, bytes)
        spoilt = `${key} as ${bytes.toString('base64')}`
      })
      const found = await verify({ ...options, which: { all: true } })
      expect(found.good, spoilt).toBe(false)
      expect(JSON.stringify([found.problems, found.backups.map(({ problems }) => problems)]), spoilt).toContain(key)
      await expectToComeBack(options, key)
    }
  }, 300_000)

  test('that is lost is found and named where a backup needs it, and the newest backup that is whole comes back', async () => {
    for (const key of chosen()) {
      const options = damaged(key, path => rmSync(path))
      const found = await verify({ ...options, which: { all: true } })
      const said = JSON.stringify(found)
      if (/^(chunks|lists|repository)/.test(key)) {
        expect(found.good, key).toBe(false)
        expect(said).toContain(key)
      } else if (key.startsWith('backups/')) {
        // What nobody needs any more is all that is left of it.
        expect(found.notes, key).toEqual([expect.stringContaining('belong to no backup')])
        expect(found.backups.map(({ result }) => result)).toEqual(['good', 'good'])
      } else {
        // Of a check, a mark or a pin nothing depends on its being there.
        expect(found.good, key).toBe(true)
      }
      await expectToComeBack(options, key)
    }
  }, 300_000)
})
