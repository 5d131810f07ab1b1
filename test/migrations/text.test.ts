import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checksumOf, decodeText, lineAt, readText } from '../../src/migrations/text.ts'

const bytes = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding)

describe('the text of a file', () => {
  it('is UTF-8, without its byte order mark', () => {
    expect(decodeText(bytes('\uFEFFé ✓ 😀'))).toBe('é ✓ 😀')
  })

  it('has LF for CRLF, and keeps a lone CR, which may be data', () => {
    expect(decodeText(bytes("a\r\nb\r\n'\r'"))).toBe("a\nb\n'\r'")
  })

  it('that is not UTF-8 is refused, with its line, instead of being repaired', () => {
    expect(() => decodeText(bytes("-- a\n-- b\nINSERT INTO t VALUES ('Jos\xe9');\n", 'latin1'))).toThrow(
      'line 3 is not UTF-8',
    )
  })

  it('that breaks off in the middle of a character is refused', () => {
    expect(() => decodeText(bytes('é').subarray(0, 1))).toThrow('line 1 is not UTF-8')
  })

  it.each(['FFFE', 'FEFF'])('of UTF-16 (byte order mark %s) is named as such', mark => {
    expect(() => decodeText(Buffer.concat([bytes(mark, 'hex'), bytes('a\0b\0', 'latin1')]))).toThrow('UTF-16')
  })

  it('with a NUL is refused: SQLite would leave out everything behind it', () => {
    expect(() => decodeText(bytes('SELECT 1;\n\0SELECT 2;'))).toThrow('line 2 contains a NUL')
  })

  it('may hold the character that others put in place of what they cannot read', () => {
    expect(decodeText(bytes('\uFFFD'))).toBe('\uFFFD')
  })

  it.each([
    bytes('\uFEFFé\r\n'),
    bytes('\uFEFF\uFEFFa'),
    bytes('\uFFFD\r\n'),
    bytes('Jos\xe9', 'latin1'),
    bytes('é').subarray(0, 1),
    bytes('FFFE6100', 'hex'),
    bytes('\0'),
  ])('is read from a file as it is decoded from its bytes: %j', content => {
    const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-text-'))
    try {
      const file = join(folder, 'text.sql')
      writeFileSync(file, content)
      const outcome = (read: () => string) => {
        try {
          return read()
        } catch (error) {
          return String(error)
        }
      }
      expect(outcome(() => readText(file))).toBe(outcome(() => decodeText(content)))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('a checksum', () => {
  it('is the same for all line ends, and with or without a byte order mark', () => {
    const text = '-- migrate:up\nSELECT 1;\n'
    expect(checksumOf(text)).toBe('2be38f331755cac1a312dea121c3da64832ace82d37707cfd1a81ccd39dffbdf')
    expect(checksumOf(`\uFEFF${text}`)).toBe(checksumOf(text))
    expect(checksumOf(text.replaceAll('\n', '\r\n'))).toBe(checksumOf(text))
  })

  it('differs for any other difference', () => {
    const others = ['SELECT 1', 'select 1;', 'SELECT  1;', 'SELECT 1;\n', 'SELECT 1;\r', '']
    expect(new Set(['SELECT 1;', ...others].map(checksumOf)).size).toBe(others.length + 1)
  })
})

it('lines count from 1', () => {
  const text = 'a\nb\n\nc'
  expect([0, 1, 2, 4, 5].map(at => lineAt(text, at))).toEqual([1, 1, 2, 3, 4])
})
