import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/storage/open.ts'
import { bytes, text } from './contents.ts'
import { freshFolder } from './machine.ts'

describe('openStore', () => {
  it('opens a folder by its URL, percent-encoded where needed', async () => {
    const root = join(await freshFolder(), 'back ups#1 %41 ä')
    const store = await openStore(pathToFileURL(root).href)
    await store.putIfAbsent('a', bytes('a'))
    expect(await text(await openStore(store.url), 'a')).toBe('a')
    expect(store.url).toMatch(/^file:\/\/\/.*\/back%20ups%231%20%2541%20%C3%A4$/)
  })

  it('takes a trailing slash and capital letters in the scheme', async () => {
    expect((await openStore('FILE:///backups/')).url).toBe('file:///backups')
  })

  it.each([
    ['file:backups', /three slashes/],
    ['file://backups', /three slashes/],
    ['file:///backups?x=1', /without \? and #/],
    ['file:///backups#1', /without \? and #/],
    ['file://backups/folder', /read as a host/],
    ['file://user:hunter2@host/folder', /read as a host/],
    ['file:///a/../b', /may not contain/],
    ['file:///a/%2e%2E/b', /may not contain/],
    ['file:///a%2Fb', /not the URL of a folder/],
    ['file:///a%zz', /not the URL of a folder/],
    ['file:///a%00b', /not the URL of a folder/],
    ['/backups', /not a URL: \/backups/],
    ['backups', /not a URL/],
    ['', /not a URL/],
    ['https://user:hunter2@bucket.example', /cannot be at https:/],
    ['gs://bucket', /cannot be at gs:/],
  ])('refuses %s with a hint', async (url, message) => {
    const error = await openStore(url).catch(error => error)
    expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(message) })
    expect(error.hint).toContain('file:///')
    expect(`${error.message}${error.hint}`).not.toContain('hunter2')
  })
})
