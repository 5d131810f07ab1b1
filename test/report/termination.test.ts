import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { terminationMessage, writeTermination } from '../../src/report/termination.ts'

const bytes = (text: string) => Buffer.byteLength(text)

describe('the termination message', () => {
  test('is a sentence and a line of JSON', () => {
    expect(terminationMessage('All is well.', { code: 'ok', exit: 0 })).toBe('All is well.\n{"code":"ok","exit":0}')
  })

  test('has its sentence on one line', () => {
    expect(terminationMessage('  wrong:\n  this\n  that\n', {})).toBe('wrong: this that\n{}')
  })

  test('is never longer than 1,024 bytes, its JSON is whole, and what matters most stays', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 3000 }),
        fc.string({ unit: 'grapheme', maxLength: 3000 }),
        fc.array(fc.string({ maxLength: 80 }), { maxLength: 30 }),
        (sentence, hint, versions) => {
          const message = terminationMessage(sentence, { code: 'failed', exit: 1, versions, hint })
          expect(bytes(message)).toBeLessThanOrEqual(1024)
          const cut = message.lastIndexOf('\n')
          expect(message.indexOf('\n')).toBe(cut)
          expect(JSON.parse(message.slice(cut + 1))).toMatchObject({ code: 'failed', exit: 1 })
        },
      ),
    )
  })

  test('leaves out the last facts first, and keeps room for the sentence', () => {
    const message = terminationMessage('s'.repeat(2000), { code: 'x', long: 'l'.repeat(500), longer: 'm'.repeat(500) })
    const [sentence = '', facts = ''] = message.split('\n')
    expect(Object.keys(JSON.parse(facts))).toEqual(['code', 'long'])
    expect(sentence.length).toBeGreaterThan(256)
    expect(bytes(message)).toBe(1024)
  })

  test('leaves out a fact that is undefined', () => {
    expect(terminationMessage('a', { code: 'x', hint: undefined })).toBe('a\n{"code":"x"}')
  })

  test.each(['ü', '不', '🚧', '👩‍🚒'])('cuts a sentence of %s between two characters', letter => {
    const [sentence = ''] = terminationMessage(letter.repeat(2000), { code: 'x' }).split('\n')
    expect(sentence.isWellFormed()).toBe(true)
    expect(sentence.endsWith('…')).toBe(true)
    expect(letter.repeat(2000).startsWith(sentence.slice(0, -1))).toBe(true)
    expect(bytes(sentence)).toBeGreaterThan(1024 - 20 - bytes(letter))
  })

  test('takes a message of a hundred megabytes in no time', () => {
    const start = performance.now()
    expect(bytes(terminationMessage('x'.repeat(1e8), {}))).toBe(1024)
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('writing it', () => {
  test('replaces what an earlier run left', () => {
    const folder = mkdtempSync(join(tmpdir(), 'termination-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'log')
    writeTermination(path, 'a long first message')
    writeTermination(path, 'second')
    expect(readFileSync(path, 'utf8')).toBe('second')
  })

  test('never throws', () => {
    for (const path of [undefined, '/nowhere/at/all', '/', '\0'])
      expect(() => writeTermination(path, 'x')).not.toThrow()
  })
})
