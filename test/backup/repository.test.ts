import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { freshFolder, objectsOf, observed, refusal, sealed } from './support.ts'

const options = { databaseName: 'app', create: true }

async function freshStore() {
  const root = join(await freshFolder(), 'repository')
  return { root, store: fileStore(root) }
}

async function withRepositoryJson(change: (fields: Record<string, unknown>) => unknown) {
  const { root, store } = await freshStore()
  await openRepository(store, options)
  const fields = JSON.parse(await readFile(join(root, 'repository.json'), 'utf8'))
  const text = change(fields)
  await writeFile(join(root, 'repository.json'), typeof text === 'string' ? text : sealed(fields))
  return { root, store }
}

describe('opening a repository', () => {
  it('makes it where there is nothing, and finds it again', async () => {
    const { root, store } = await freshStore()
    const made = await openRepository(store, options)
    expect(made).toMatchObject({ databaseName: 'app', chunkSize: 1024 * 1024 })
    expect(made.id).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    expect([...objectsOf(root).keys()]).toEqual(['repository.json'])
    expect(await openRepository(fileStore(root), { databaseName: 'app', create: false })).toMatchObject({
      id: made.id,
      databaseName: 'app',
      chunkSize: made.chunkSize,
      created: made.created,
    })
  })

  it('keeps the chunk size that it was made with', async () => {
    const { store } = await freshStore()
    await openRepository(store, { ...options, chunkSize: 65536 })
    expect((await openRepository(store, options)).chunkSize).toBe(65536)
  })

  it('says that there is no backup yet where nothing is to be made, and makes nothing', async () => {
    const { root, store } = await freshStore()
    await mkdir(root)
    const error = await refusal(openRepository(store, { databaseName: 'app', create: false }))
    expect(error).toMatchObject({ code: 'missing', message: `there is no backup yet: ${store.url} is empty` })
    expect(objectsOf(root).size).toBe(0)
  })

  it.each([true, false])('refuses a place with other objects, and names one (create: %s)', async create => {
    const { root, store } = await freshStore()
    await mkdir(join(root, 'holidays'), { recursive: true })
    await writeFile(join(root, 'holidays', 'beach.jpg'), 'x')
    const error = await refusal(openRepository(store, { databaseName: 'app', create }))
    expect(error.code).toBe('config')
    expect(error.message).toContain('it has no repository.json, but it has holidays/beach.jpg')
    expect(error.hint).toContain('right bucket, prefix or folder')
    expect([...objectsOf(root).keys()]).toEqual(['holidays/beach.jpg'])
  })

  it('refuses the repository of another database, and names the option that allows it', async () => {
    const { store } = await freshStore()
    const { id } = await openRepository(store, options)
    const error = await refusal(openRepository(store, { ...options, databaseName: 'other' }))
    expect(error.code).toBe('config')
    expect(error.message).toContain('"app", not of "other"')
    expect(error.hint).toContain('--allow-other-database')
    const allowed = await openRepository(store, { ...options, databaseName: 'other', allowOtherDatabase: true })
    expect(allowed).toMatchObject({ id, databaseName: 'app' })
  })

  it('refuses a newer format with a sentence', async () => {
    const { store } = await withRepositoryJson(fields => {
      fields['format'] = 2
      fields['id'] = { something: 'this version has never heard of' }
    })
    const error = await refusal(openRepository(store, options))
    expect(error.code).toBe('config')
    expect(error.message).toBe(
      `${store.url}/repository.json has format 2; this version of Lockkeeper knows formats up to 1`,
    )
    expect(error.hint).toContain('newer')
  })

  it.each<[string, (fields: Record<string, unknown>) => unknown]>([
    ['is not JSON', () => '<html>Sign in to the hotel network</html>'],
    ['is empty', () => ''],
    ['does not carry its hash', fields => JSON.stringify({ ...fields, sha256: undefined })],
    ['was changed in one place', fields => JSON.stringify({ ...fields, databaseName: 'apq' })],
    ['is huge', () => ' '.repeat(70_000)],
    ['has no id', fields => void delete fields['id']],
    ['has an id that is no UUID', fields => void Object.assign(fields, { id: '../x' })],
    ['has an odd chunk size', fields => void Object.assign(fields, { chunkSize: 5000 })],
    ['has a huge chunk size', fields => void Object.assign(fields, { chunkSize: 2 ** 40 })],
    ['has no database name', fields => void Object.assign(fields, { databaseName: '' })],
    ['has no moment', fields => void Object.assign(fields, { created: 'long ago' })],
  ])('refuses a repository.json that %s', async (_what, change) => {
    const { store } = await withRepositoryJson(change)
    const error = await refusal(openRepository(store, options))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain('repository.json')
  })

  it.each([0, 1000, 4095, 5000, 2 ** 25, Number.NaN])('makes none with chunks of %s bytes', async chunkSize => {
    const { root, store } = await freshStore()
    await mkdir(root)
    expect((await refusal(openRepository(store, { ...options, chunkSize }))).code).toBe('config')
    expect(objectsOf(root).size).toBe(0)
  })

  it.each(['', 'x'.repeat(201)])('makes none for a database called %j', async databaseName => {
    const { store } = await freshStore()
    expect((await refusal(openRepository(store, { ...options, databaseName }))).code).toBe('config')
  })

  it('makes one when many open it at once, and all get the same', async () => {
    const { root } = await freshStore()
    const opened = await Promise.all(Array.from({ length: 20 }, () => openRepository(fileStore(root), options)))
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1)
    expect([...objectsOf(root).keys()]).toEqual(['repository.json'])
  })

  it('takes the repository that somebody made while it was looking around', async () => {
    const { root, store } = await freshStore()
    let other: { id: string } | undefined
    const { store: slow } = observed(store, async call => {
      if (call !== 'lists' || other !== undefined) return
      other = await openRepository(fileStore(root), options)
      await fileStore(root).putIfAbsent('intents/x.json', Buffer.from('{}'))
    })
    expect((await openRepository(slow, options)).id).toBe(other?.id)
  })

  it('takes the repository of whoever was faster with the last step', async () => {
    const { root, store } = await freshStore()
    let other: { id: string } | undefined
    const { store: slow } = observed(store, async call => {
      if (call === 'puts') other = await openRepository(fileStore(root), { ...options, chunkSize: 8192 })
    })
    expect(await openRepository(slow, options)).toMatchObject({ id: other?.id, chunkSize: 8192 })
  })
})
