import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { chunkKey, listKey } from '../../src/backup/format.ts'
import { linesOf, makeList, readList } from '../../src/backup/lists.ts'
import { freshRepository, refusal } from './support.ts'

const keys = Array.from({ length: 5 }, (_, i) => chunkKey(hash('sha256', String(i)), i === 3 ? 1 : 0))

async function stored(text: string | Uint8Array, number = 0) {
  const { repository } = await freshRepository()
  const key = listKey(hash('sha256', text), number)
  await repository.store.putIfAbsent(key, Buffer.from(text))
  return { store: repository.store, key }
}

describe('a list', () => {
  it('names chunks one a line, and is named by the hash of that', () => {
    const { sha256, text } = makeList(keys)
    expect(Buffer.from(text).toString()).toBe(`${keys.join('\n')}\n`)
    expect(sha256).toBe(hash('sha256', text))
  })

  it('is read back, under any number', async () => {
    const { text } = makeList(keys)
    for (const number of [0, 7]) {
      const { store, key } = await stored(text, number)
      expect(await readList(store, key, 5)).toEqual(keys)
    }
  })

  it('that is not there is undefined', async () => {
    const { repository } = await freshRepository()
    expect(await readList(repository.store, listKey('0'.repeat(64)), 5)).toBeUndefined()
  })

  it('names 1,024 chunks, the last one of a backup what is left', () => {
    expect([0, 1, 2].map(position => linesOf(position, 2500))).toEqual([1024, 1024, 452])
    expect(linesOf(1, 2048)).toBe(1024)
  })

  it.each([
    ['names more chunks than belong there', `${keys.join('\n')}\n`, 4, 'names 5 chunks where 4 belong'],
    ['names fewer', `${keys.join('\n')}\n`, 6, 'names 5 chunks where 6 belong'],
    ['is empty', '', 1, 'names 0 chunks'],
    ['lacks the last line feed', keys.join('\n'), 5, 'does not end with a line feed'],
    ['leads out of the repository', '../../../etc/passwd\n', 1, 'not a chunk: "../../../etc/passwd"'],
    ['leads out by a chunk', `${keys[0]}/../../x\n`, 1, 'not a chunk'],
    ['names a list', `${listKey('0'.repeat(64))}\n`, 1, 'not a chunk'],
    ['has carriage returns', `${keys.join('\r\n')}\r\n`, 5, 'not a chunk'],
    ['has an empty line', `${keys[0]}\n\n`, 2, 'not a chunk: ""'],
    ['is far too large', `${keys[0]}\n`.repeat(4000), 1024, 'is larger than the 262144 bytes'],
  ])('that %s is refused by name', async (_what, text, lines, complaint) => {
    const { store, key } = await stored(text)
    const error = await refusal(readList(store, key, lines))
    expect(error).toMatchObject({ code: 'invalid', details: { object: key } })
    expect(error.message).toContain(`${key}: `)
    expect(error.message).toContain(complaint)
  })

  it('whose text is not what its name says is refused by name', async () => {
    const { repository } = await freshRepository()
    const key = listKey(makeList(keys).sha256)
    await repository.store.putIfAbsent(key, makeList(keys.toReversed()).text)
    expect((await refusal(readList(repository.store, key, 5))).message).toContain(`${key}: holds another text`)
  })
})
