import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkKey, listKey, manifestKey } from '../../src/backup/format.ts'
import { mark } from '../../src/backup/marks.ts'
import {
  backup,
  by,
  freshRepository,
  integrityCheck,
  makeDatabase,
  objectsOf,
  scratch,
  sha256Of,
  type TestRepository,
} from './support.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/repository-format.md', import.meta.url)), 'utf8')

/** The only block of that language on the page. */
function block(language: string): string {
  const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))]
  expect(blocks.length).toBe(1)
  return blocks[0]?.[1] ?? ''
}

/** Where the script finds its programs: nothing but these, and what its shell can do itself. */
let bin: string

beforeAll(async () => {
  bin = await mkdtemp(join(scratch, 'lockkeeper-bin-'))
  for (const program of ['sh', 'zstd', 'sha256sum']) await symlink(which(program), join(bin, program))
})
afterAll(() => rm(bin, { recursive: true, force: true }))

function which(program: string): string {
  try {
    return execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
  } catch (cause) {
    throw new Error(`these tests need ${program}: install it (Debian: apt-get install coreutils jq zstd)`, {
      cause,
    })
  }
}

/** Runs the script of the page. */
async function recover(test: TestRepository, id: string, output: string): Promise<string> {
  const script = test.path('recover.sh')
  await writeFile(script, block('shell'))
  const how = { encoding: 'utf8', stdio: 'pipe', cwd: test.folder, env: { PATH: bin } } as const
  return execFileSync(join(bin, 'sh'), [script, test.root, id, output], how)
}

function refused(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'it was not refused',
    error => String(error.stderr),
  )
}

async function fresh() {
  const test = await freshRepository()
  makeDatabase(test.path('app.db'), { rows: 400 })
  return { ...test, database: test.path('app.db') }
}

describe('recovery with plain tools', () => {
  it('by the one line of the page gives the database', async () => {
    const test = await fresh()
    const { id } = await backup(test, test.database)
    which('jq')
    const line = block('sh').replace('ID', id)
    execFileSync('bash', ['-o', 'pipefail', '-ec', line], { cwd: test.root })
    expect(sha256Of(join(test.root, 'recovered.db'))).toBe(sha256Of(test.database))
    expect((await integrityCheck(join(test.root, 'recovered.db'))).problems).toEqual([])
  })

  it('by the script of the page gives the database, readable by its owner alone', async () => {
    const test = await fresh()
    const odd = '"sha256":"x","stored":{ "lists":[ }'
    const { id } = await backup(test, test.database, {
      note: `Größe ${odd}`,
      tables: { Straße: 5, [odd]: 1, stored: 2 },
    })
    const said = await recover(test, id, 'recovered.db')
    expect(said).toBe(`${test.path('recovered.db')}: recovered, as it was backed up\n`)
    expect(sha256Of(test.path('recovered.db'))).toBe(sha256Of(test.database))
    expect((await stat(test.path('recovered.db'))).mode & 0o777).toBe(0o600)
  })

  it.each([0, 1, 4096 * 1024, 4096 * 2050 + 17])('gives %i bytes, however many lists that takes', async bytes => {
    const test = await freshRepository()
    const path = test.path('any')
    await writeFile(path, Buffer.concat([Buffer.alloc(Math.floor(bytes / 2)), randomBytes(Math.ceil(bytes / 2))]))
    const { id } = await backup(test, path)
    await recover(test, id, 'recovered')
    expect(sha256Of(test.path('recovered'))).toBe(sha256Of(path))
  })

  it('gives a backup whose chunks and lists lie under other numbers', async () => {
    const test = await fresh()
    await backup(test, test.database)
    await mark(
      test.repository,
      'unused',
      [...objectsOf(test.root).keys()].filter(key => /^(chunks|lists)/.test(key)),
      by,
    )
    const { id, manifest } = await backup(test, test.database)
    expect(manifest.chunks.lists[0]).not.toBe(undefined)
    expect(await readFile(join(test.root, manifest.chunks.lists[0] ?? ''), 'utf8')).toMatch(/\.1\.zst\n/)
    await recover(test, id, 'recovered.db')
    expect(sha256Of(test.path('recovered.db'))).toBe(sha256Of(test.database))
  })

  it('gives any of several backups', async () => {
    const test = await fresh()
    const states: [string, string][] = []
    for (let i = 0; i < 3; i++) {
      makeDatabase(test.path(`app${i}.db`), { rows: 50 * (i + 1) })
      const { id } = await backup(test, test.path(`app${i}.db`))
      states.push([id, sha256Of(test.path(`app${i}.db`))])
    }
    for (const [id, sha256] of states) {
      await recover(test, id, `${id}.db`)
      expect(sha256Of(test.path(`${id}.db`))).toBe(sha256)
    }
  })

  it('stops when something is damaged, missing or in the way', async () => {
    const test = await fresh()
    const { id, manifest } = await backup(test, test.database)
    const chunk = [...objectsOf(test.root).keys()].find(key => key.startsWith('chunks/')) ?? ''
    const [list = ''] = manifest.chunks.lists
    for (const [key, spoil] of [
      [chunk, (content: Buffer) => content.fill(0, 20, 40)],
      [list, (content: Buffer) => content.subarray(content.indexOf('\n') + 1)],
      [list, () => Buffer.from('../../../../etc/passwd\n')],
      [manifestKey(id), (content: Buffer) => Buffer.from(content.toString().replace('"app"', '"ape"'))],
    ] as const) {
      const path = join(test.root, key)
      const content = await readFile(path)
      await writeFile(path, spoil(Buffer.from(content)))
      expect(await refused(recover(test, id, `spoilt-${Math.random()}`))).not.toBe('it was not refused')
      await writeFile(path, content)
    }
    await test.repository.store.deleteMany([chunk])
    expect(await refused(recover(test, id, 'incomplete.db'))).toContain(chunk)
    await writeFile(test.path('there.db'), 'precious')
    expect(await refused(recover(test, id, 'there.db'))).toContain('is there already')
    expect(await readFile(test.path('there.db'), 'utf8')).toBe('precious')
  })

  it('finds each chunk to be what its name says, as the page tells how to', async () => {
    const test = await fresh()
    const { manifest } = await backup(test, test.database)
    const names = (await readFile(join(test.root, manifest.chunks.lists[0] ?? ''), 'utf8')).trimEnd().split('\n')
    for (const name of names.slice(0, 5)) {
      const printed = execFileSync('bash', ['-c', `zstd -dcq ${name} | sha256sum`], {
        cwd: test.root,
        encoding: 'utf8',
      })
      expect(chunkKey(printed.slice(0, 64))).toBe(name)
    }
  })
})

describe('the page about the format', () => {
  it('shows a repository.json and names as they are', async () => {
    const test = await fresh()
    const { id } = await backup(test, test.database)
    const example = JSON.parse(block('json'))
    const real = JSON.parse(await readFile(join(test.root, 'repository.json'), 'utf8'))
    expect(Object.keys(example)).toEqual(Object.keys(real))
    expect(block('json').trim()).toBe(JSON.stringify(example))
    for (const key of objectsOf(test.root).keys()) {
      const folder = key.split('/')[0] ?? ''
      expect(page).toContain(key.includes('/') ? `\n${folder}/<` : `\n${folder} `)
    }
    expect(id).toMatch(/^\d{8}-\d{8}T\d{6}Z-manual-v002_add_index$/)
    expect(listKey('ab'.repeat(32))).toMatch(/^lists\/ab\//)
  })

  it('names every field of a manifest', async () => {
    const test = await fresh()
    const { manifest } = await backup(test, test.database, { note: 'x', tables: { visits: 1 } })
    const table = page.slice(page.indexOf('## Manifests'), page.indexOf('## Checks'))
    const nested = [manifest.database, manifest.chunks, manifest.stored, manifest.schema, manifest.engine, manifest.by]
    for (const name of [manifest, ...nested].flatMap(Object.keys)) expect(table, name).toContain(`\`${name}\``)
  })
})
