import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { canonical, type Json } from '../../src/backup/canonical.ts'
import { listKey, manifestKey } from '../../src/backup/format.ts'
import { type Manifest, manifestBytes, parseManifest, sealManifest } from '../../src/backup/manifest.ts'
import { thrownBy } from './support.ts'

const { sha256: _, ...content } = sealManifest({
  format: 1,
  id: '00000007-20261123T114000Z-daily+pre-migration-v002_add_index',
  repository: 'f7d3a52e-0c1b-4d0e-9a55-2f1f6f1f7a10',
  sequence: 7,
  createdAt: '2026-11-23T11:40:00.123Z',
  tiers: ['daily', 'pre-migration'],
  note: 'before the fair – Größe',
  database: {
    name: 'app',
    bytes: 10_000,
    sha256: 'ab'.repeat(32),
    pageSize: 4096,
    journalMode: 'wal',
    encoding: 'UTF-8',
    userVersion: 3,
  },
  chunks: { size: 4096, count: 3, lists: [listKey('cd'.repeat(32), 1)] },
  stored: { chunks: 2, bytes: 900 },
  schema: { level: 'v002_add_index', fingerprint: null, applied: 2 },
  tables: { visits: 500, __proto__x: 1 },
  engine: { lockkeeper: '0.1.0', node: 'v24.21.0', sqlite: '3.53.4' },
  by: { host: 'h', pod: 'app-0', namespace: 'prod', node: 'n1', image: 'i:1', job: 'j' },
  damaged: false,
})
const key = manifestKey(content.id)

/** The manifest with a field changed, by its path, under a hash that fits; undefined removes the field. */
function changed(path: string, value: unknown): Uint8Array {
  const copy = structuredClone(content) as Record<string, unknown>
  const names = path.split('.')
  const last = names.pop() ?? ''
  const parent = names.reduce((fields, name) => fields[name] as Record<string, unknown>, copy)
  if (value === undefined) delete parent[last]
  else parent[last] = value
  return signed(copy)
}

function signed(fields: Record<string, unknown>): Uint8Array {
  return Buffer.from(JSON.stringify({ ...fields, sha256: hash('sha256', canonical(fields as Json)) }))
}

describe('a manifest', () => {
  it('is read as it was written', () => {
    const manifest = sealManifest(content)
    expect(parseManifest(manifestBytes(manifest), key)).toEqual(manifest)
  })

  it('has a hash of itself that plain tools can check', () => {
    const bytes = manifestBytes(sealManifest(content))
    const rest = execFileSync('jq', ['-jcS', 'del(.sha256)'], { input: bytes })
    expect(hash('sha256', rest)).toBe(JSON.parse(Buffer.from(bytes).toString()).sha256)
  })

  it('may have been given white space on the way', () => {
    const pretty = Buffer.from(JSON.stringify(sealManifest(content), null, 2))
    expect(parseManifest(pretty, key)).toEqual(sealManifest(content))
  })

  it('keeps further facts about the database', () => {
    expect(parseManifest(manifestBytes(sealManifest(content)), key).database['userVersion']).toBe(3)
  })

  it('may have fields from a later version of the program that this one need not know', () => {
    expect(parseManifest(changed('signature', { by: 'x' }), key).id).toBe(content.id)
  })

  it('may name the same list twice, as long runs of zeros do', () => {
    const list = listKey('cd'.repeat(32))
    const lists = [list, list, list]
    const bytes = changed('chunks', { size: 4096, count: 2 * 1024 + 5, lists })
    const fitting = JSON.parse(Buffer.from(bytes).toString())
    delete fitting.sha256
    fitting.database.bytes = (2 * 1024 + 5) * 4096
    expect(parseManifest(signed(fitting), key).chunks.lists).toEqual(lists)
  })

  it('describes an empty database with no chunk and no list', () => {
    const fields = structuredClone(content) as unknown as { database: { bytes: number }; chunks: unknown }
    fields.database.bytes = 0
    fields.chunks = { size: 4096, count: 0, lists: [] }
    expect(parseManifest(signed(fields as unknown as Record<string, unknown>), key).chunks.lists).toEqual([])
  })

  it('says why the database was damaged', () => {
    expect(parseManifest(changed('damaged', { reason: 'page 3' }), key).damaged).toEqual({ reason: 'page 3' })
  })

  it('is refused when a single bit of it is another', async () => {
    const bytes = manifestBytes(sealManifest(content))
    for (let bit = 0; bit < (bytes.length - 1) * 8; bit += 5) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const error = await thrownBy(() => parseManifest(flipped, key))
      // A flipped format number looks like a newer program's.
      expect(['invalid', 'config'], `bit ${bit}`).toContain(error.code)
      expect(error.message).toContain(key)
    }
  })

  it('of a newer format is no damage, but asks for a newer program', async () => {
    const error = await thrownBy(() => parseManifest(changed('format', 2), key))
    expect(error).toMatchObject({
      code: 'config',
      message: `${key} has format 2; this version of Lockkeeper knows formats up to 1`,
    })
  })

  const list = listKey('cd'.repeat(32))
  it.each<[string, unknown, string]>([
    ['format', 0, 'format is not an integer'],
    ['format', '1', 'format is not an integer'],
    ['id', '00000008-20261123T114000Z-daily+pre-migration-v002_add_index', 'id does not match the name'],
    ['id', '../../etc/passwd', 'id does not match the name'],
    ['repository', 7, 'repository is not a string'],
    ['sequence', 8, 'id does not match sequence'],
    ['sequence', 1e300, 'sequence is not an integer'],
    ['sequence', -7, 'sequence is not an integer'],
    ['sequence', 7.5, 'sequence is not an integer'],
    ['createdAt', '2026-11-23T11:41:00.123Z', 'id does not match sequence, createdAt'],
    ['createdAt', 'yesterday', 'createdAt is not a moment'],
    ['createdAt', '2026-11-23', 'createdAt is not a moment'],
    ['tiers', [], 'tiers is empty'],
    ['tiers', ['daily'], 'id does not match'],
    ['tiers', ['pre-migration', 'daily'], 'tiers is not in order'],
    ['tiers', ['daily', 'daily'], 'tiers is not in order'],
    ['tiers', ['hourly'], 'tiers[0] is none of daily'],
    ['tiers', 'daily', 'tiers is not a list'],
    ['tiers', Array(1000).fill('daily'), 'tiers has more than 6 items'],
    ['note', 'x'.repeat(5000), 'note has not 0 to 4096 characters'],
    ['database', [], 'database is not an object'],
    ['database', undefined, 'database is not an object'],
    ['database.name', '', 'database.name has not 1 to 200'],
    ['database.bytes', 20_000, 'chunks.count does not fit'],
    ['database.bytes', 2 ** 53, 'database.bytes is not an integer'],
    ['database.sha256', 'AB'.repeat(32), 'database.sha256 is not of the expected form'],
    ['database.pageSize', 1e9, 'database.pageSize is not an integer'],
    ['database.nested', { a: 1 }, 'database.nested is not a string'],
    ['chunks.size', 1, 'chunks.size is not an integer'],
    ['chunks.size', 2 ** 40, 'chunks.size is not an integer'],
    ['chunks.count', 4, 'chunks.count does not fit 10000 bytes'],
    ['chunks.count', 9e15, 'chunks.count does not fit'],
    ['chunks.lists', [], 'chunks.lists are 0'],
    ['chunks.lists', [list, list], 'chunks.lists are 2, which does not fit 3 chunks'],
    ['chunks.lists', [`../${list}`], 'chunks.lists[0] is not of the expected form'],
    ['chunks.lists', ['lists/cd/../../../etc/passwd'], 'chunks.lists[0] is not of the expected form'],
    ['chunks.lists', ['/etc/passwd'], 'chunks.lists[0] is not of the expected form'],
    ['chunks.lists', [`chunks/cd/${'cd'.repeat(32)}.zst`], 'chunks.lists[0] is not of the expected form'],
    ['chunks.lists', [`${list}\n`], 'chunks.lists[0] is not of the expected form'],
    ['chunks.lists', { length: 1, 0: list }, 'chunks.lists is not a list'],
    ['stored.bytes', -1, 'stored.bytes is not an integer'],
    ['schema.level', 7, 'schema.level is not a string'],
    ['schema.level', 'v003', 'id does not match'],
    ['schema.applied', null, 'schema.applied is not an integer'],
    ['tables', { visits: -1 }, 'tables.visits is not an integer'],
    ['tables', ['visits'], 'tables is not an object'],
    ['engine.sqlite', null, 'engine.sqlite is not a string'],
    ['by', {}, 'by.host is not a string'],
    ['by.pod', { name: 'x' }, 'by.pod is not a string'],
    ['damaged', true, 'damaged is not an object'],
    ['damaged', undefined, 'damaged is not an object'],
    ['damaged', {}, 'damaged.reason is not a string'],
  ])('is refused with %s: %j', async (path, value, complaint) => {
    const error = await thrownBy(() => parseManifest(changed(path, value), key))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain(`${key}: ${complaint}`)
    expect(error.details).toEqual({ object: key })
    expect(error.hint).toContain('lockkeeper')
  })

  it.each([
    ['nothing', ''],
    ['text', 'not JSON'],
    ['half of it', canonical(content as unknown as Json).slice(0, 300)],
    ['a number', '7'],
    ['null', 'null'],
    ['a list', '[]'],
    ['depth', '['.repeat(50_000) + ']'.repeat(50_000)],
    [
      'depth behind a good beginning',
      `{"format":1,"sha256":"${'0'.repeat(64)}","x":${'['.repeat(99)}${']'.repeat(99)}}`,
    ],
  ])('is refused when it is %s', async (_what, text) => {
    const error = await thrownBy(() => parseManifest(Buffer.from(text), key))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain(key)
  })

  it('is refused when it is not UTF-8', async () => {
    const bytes = Buffer.from(manifestBytes(sealManifest(content)).toString(), 'latin1')
    bytes[10] = 0xff
    expect((await thrownBy(() => parseManifest(bytes, key))).code).toBe('invalid')
  })

  it('is refused under the name of another', async () => {
    const other = manifestKey('00000008-20261123T114000Z-daily+pre-migration-v002_add_index')
    const error = await thrownBy(() => parseManifest(manifestBytes(sealManifest(content as Manifest)), other))
    expect(error.message).toContain('id does not match the name of the object')
  })

  it('cannot be poisoned through __proto__', () => {
    const text = Buffer.from(signed(content as unknown as Record<string, unknown>)).toString()
    const fields = JSON.parse(text.replace('"tables":{', '"tables":{"__proto__":5,'))
    delete fields.sha256
    const manifest = parseManifest(signed(fields), key)
    expect(Object.getPrototypeOf(manifest.tables)).toBe(Object.prototype)
    expect(Object.hasOwn(manifest.tables ?? {}, '__proto__')).toBe(true)
  })
})
