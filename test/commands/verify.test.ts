/** `verify`: what it looks at, what it finds, and how it says so. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

/** A shop with so many backups, each of other content. */
async function shopWithBackups(count: number): Promise<Workplace> {
  const place = await shop()
  for (let made = 0; made < count; made++) {
    pythonSql(place.database, `INSERT INTO customers (name) VALUES ('customer ${made}')`)
    expectOk(await place.run(['backup']))
  }
  return place
}

function objects(place: Workplace, folder: string): string[] {
  return readdirSync(join(place.repository, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(place.repository.length + 1))
    .sort()
}

describe('verify', () => {
  test('says that the newest backup is good, and records it, so that backups shows it', async () => {
    const place = await shopWithBackups(2)
    const before = traceOf(place.volume)
    const [older, newest] = place.backups()
    const ran = await place.run(['verify', '--latest'])
    expectOk(ran)
    expect(ran.stdout).toMatch(new RegExp(`good +${newest} +integrity_check in the sandbox`))
    expect(ran.stdout).toContain(`The backup ${newest} is good.`)
    expect(messagesOf(ran, 'verify')).toEqual([expect.stringMatching(/is good: 1 chunk fetched, integrity_check in/)])
    expect((await place.run(['backups'])).stdout).toMatch(new RegExp(` good, .* ago .*${newest}.*\n.* - .*${older}`))
    expect(objects(place, 'checks')).toEqual([
      expect.stringMatching(new RegExp(`^checks/${newest}/\\d{8}T\\d{6}Z-verification-good.json$`)),
    ])
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('takes the beginning of an id', async () => {
    const place = await shopWithBackups(2)
    const { backups } = JSON.parse((await place.run(['verify', '00000001', '--json'])).stdout)
    expect(backups).toMatchObject([{ id: place.backups()[0], result: 'good' }])
    expectRefused(await place.run(['verify', '00000009']), 66, '00000009')
  })

  test('of all names the bad one, ends with 65, and a restore takes the newest that is whole', async () => {
    const place = await shopWithBackups(3)
    const [, , newest] = place.backups()
    const of = (id: string) => readFileSync(join(place.repository, JSON.parse(manifestOf(id)).chunks.lists[0]), 'utf8')
    const manifestOf = (id: string) => readFileSync(join(place.repository, 'backups', `${id}.json`), 'utf8')
    const chunk = of(newest!).trim()
    rmSync(join(place.repository, chunk))
    const ran = await place.run(['verify', '--all'])
    expect(ran.exit, ran.output).toBe(65)
    expect(ran.stdout).toContain(`bad   ${newest}`)
    expect(ran.stdout).toContain(`${chunk}: is missing`)
    expect(ran.stdout).toContain(`${newest} is bad; 2 of 3 backups are good.`)
    const restored = await place.run(['restore', '--latest', '--json'])
    expectOk(restored)
    expect(JSON.parse(restored.stdout)).toMatchObject({
      restored: place.backups()[1],
      passedOver: [{ id: newest, reason: 'a verification found it bad' }],
    })
  })

  test('needs no volume with the database, and leaves nothing in the temporary folder', async () => {
    const place = await shopWithBackups(1)
    const tmpdir = join(place.folder, 'tmp')
    mkdirSync(tmpdir)
    rmSync(place.volume, { recursive: true })
    expectOk(await place.run(['verify', '--all', '--tmpdir', tmpdir]))
    expectOk(await place.run(['backups']))
    expect(Object.keys(traceOf(tmpdir))).toEqual([''])
  })

  test('knows the repository by the file behind a symbolic link, and where the volume is not there says what differs', async () => {
    const place = await shopWithBackups(1)
    const link = join(place.folder, 'current.db')
    symlinkSync(place.database, link)
    expectOk(await place.run(['verify', '--latest'], { DATABASE_URL: link }))
    renameSync(place.volume, join(place.folder, 'elsewhere'))
    expectRefused(await place.run(['verify', '--latest'], { DATABASE_URL: link }), 78, '--allow-other-database')
    expectOk(await place.run(['verify', '--latest', '--allow-other-database'], { DATABASE_URL: link }))
  })

  test.each([
    ['no choice', []],
    ['two choices', ['--latest', '--all']],
    ['an id and a choice', ['00000001', '--all']],
  ])('is refused with %s', async (_, args) => {
    const place = await shop()
    expectRefused(await place.run(['verify', ...args]), 64, '--latest')
  })

  test('says that there is no backup yet', async () => {
    const place = await shop()
    expectRefused(await place.run(['verify', '--all']), 66, 'no backup yet')
  })
})
