/** What is wrong with the migrations themselves, or with how they fit the database: said before anything is touched. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorOf, expectOk, expectRefused } from '../support/cli.ts'
import { shop, shopSchema } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

/** Refused, and neither the database nor the repository nor their folders were touched. */
async function expectUntouched(
  place: Workplace,
  args: readonly string[],
  exit: number,
  ...culprits: readonly (string | RegExp)[]
): Promise<void> {
  const before = [traceOf(place.volume), traceOf(place.repository)]
  expectRefused(await place.run(args), exit, ...culprits)
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
}

const table = (name: string) => `-- migrate:up\nCREATE TABLE ${name} (n);\n-- migrate:down\nDROP TABLE ${name};\n`

describe('the folder', () => {
  test('that is not there is refused by its name', async () => {
    const place = await shop()
    await expectUntouched(
      place,
      ['run', '--migrations', '/nowhere/migrations'],
      78,
      '/nowhere/migrations',
      'LOCKKEEPER_MIGRATIONS',
    )
  })

  test('that has no migration is refused, whatever else is in it', async () => {
    const place = await shop()
    rmSync(join(place.migrations, 'v001_shop.sql'))
    writeFileSync(join(place.migrations, 'README.md'), 'hello')
    writeFileSync(join(place.migrations, '.hidden.sql'), table('hidden'))
    await expectUntouched(place, ['run'], 78, 'no migration', place.migrations)
  })

  test('that has a folder where a file belongs is refused: was there nothing to mount?', async () => {
    const place = await shop()
    mkdirSync(join(place.migrations, 'v009_folder.sql'))
    await expectUntouched(place, ['run'], 65, 'v009_folder.sql')
  })

  test('that is a file is refused', async () => {
    const place = await shop()
    await expectUntouched(place, ['run', '--migrations', place.database], 78, 'app.db')
  })

  test('is ./migrations unless another is named', async () => {
    const place = newPlace({ LOCKKEEPER_MIGRATIONS: undefined })
    place.migration('v001_shop', shopSchema)
    expectOk(await place.run(['run']))
  })

  test('may consist of links, as a mounted ConfigMap does', async () => {
    const place = newPlace()
    const data = join(place.migrations, '..2026_11_23')
    mkdirSync(data)
    writeFileSync(join(data, 'v001_shop.sql'), shopSchema)
    symlinkSync('..2026_11_23', join(place.migrations, '..data'))
    symlinkSync(join('..data', 'v001_shop.sql'), join(place.migrations, 'v001_shop.sql'))
    const ran = await place.run(['run', '--json'])
    expectOk(ran)
    expect(JSON.parse(ran.stdout).versions).toHaveLength(1)
  })
})

test('all that is wrong with the files is said at once', async () => {
  const place = await shop()
  place.migration('v002_unmarked', 'CREATE TABLE carts (n);')
  place.migration('v003_twice', '-- migrate:up\n-- migrate:up\nSELECT 1;')
  place.migration('v003_twice.js', 'export function up() {}')
  place.migration('v004_needs', '-- depends: v000_unknown\n-- migrate:up\nSELECT 1;')
  place.migration('v005_switch', '-- transaction: perhaps\n-- migrate:up\nSELECT 1;')
  place.migration('v006_module.js', 'export const description = 1')
  await expectUntouched(
    place,
    ['run'],
    65,
    /v002_unmarked\.sql: it has no line "-- migrate:up"/,
    /v003_twice\.sql: it has more than one/,
    /v004_needs depends on v000_unknown, which is not there/,
    /v005_switch\.sql: .*transaction: perhaps.*on or off/,
    /v006_module\.js: it exports no function up/,
  )
})

test('a version that is there twice is refused with both files', async () => {
  const place = await shop()
  place.migration('v002_twice', table('a'))
  place.migration('v002_twice.js', 'export function up() {}')
  await expectUntouched(place, ['run'], 65, 'v002_twice is there twice', 'v002_twice.sql', 'v002_twice.js')
})

test('a circle of dependencies is refused with its members', async () => {
  const place = await shop()
  place.migration('v002_a', `-- depends: v003_b\n${table('a')}`)
  place.migration('v003_b', `-- depends: v002_a\n${table('b')}`)
  await expectUntouched(place, ['run'], 65, 'circle', /v002_a -> v003_b -> v002_a/)
})

test('dependencies are met first, whatever the names say', async () => {
  const place = newPlace()
  place.migration('v001_late', `-- depends: v002_early\n-- migrate:up\nINSERT INTO early VALUES (1);`)
  place.migration('v002_early', table('early'))
  const ran = await place.run(['run', '--json'])
  expectOk(ran)
  expect(JSON.parse(ran.stdout).versions.map(({ version }: { version: string }) => version)).toEqual([
    'v002_early',
    'v001_late',
  ])
})

test('v2 comes before v10', async () => {
  const place = newPlace()
  for (const name of ['v10_c', 'v2_b', 'v1_a']) place.migration(name, table(name))
  const plan = JSON.parse((await place.run(['plan', '--json'])).stdout)
  expect(plan.migrations.map(({ version }: { version: string }) => version)).toEqual(['v1_a', 'v2_b', 'v10_c'])
})

describe('an applied migration', () => {
  test('that was edited stops the deploy, is named, and is fine again once it is as it was', async () => {
    const place = await shop()
    place.migration('v001_shop', `${shopSchema}\n-- a harmless remark\n`)
    await expectUntouched(place, ['run'], 65, 'v001_shop was edited after it was applied', 'v001_shop.sql', 'checksum')
    place.migration('v001_shop', shopSchema)
    expectOk(await place.run(['run']))
  })

  test('that only got other line ends is the same', async () => {
    const place = await shop()
    place.migration('v001_shop', `\uFEFF${shopSchema.replaceAll('\n', '\r\n')}`)
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  })

  test('whose file is gone or renamed stops the deploy', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    place.migration('v003_more', table('more'))
    expectOk(await place.run(['run']))
    renameSync(join(place.migrations, 'v002_carts.sql'), join(place.migrations, 'v002_trolleys.sql'))
    await expectUntouched(place, ['run'], 65, 'v002_carts is applied, but its file is gone', 'v002_trolleys is pending')
  })

  test('is told of together with all others that do not fit', async () => {
    const place = await shop()
    for (const name of ['v002_a', 'v003_b', 'v004_c']) place.migration(name, table(name))
    expectOk(await place.run(['run']))
    place.migration('v002_a', table('other'))
    rmSync(join(place.migrations, 'v003_b.sql'))
    await expectUntouched(place, ['run'], 65, 'v002_a was edited', 'v003_b is applied, but its file is gone')
  })

  test('that does not fit is told of together with all that is wrong with the folder', async () => {
    const place = await shop()
    place.migration('v002_a', table('a'))
    place.migration('v003_unreadable', table('b'))
    expectOk(await place.run(['run']))
    place.migration('v001_shop', `${shopSchema}-- edited`)
    rmSync(join(place.migrations, 'v002_a.sql'))
    place.migration('v003_unreadable', 'CREATE TABLE b (n);')
    place.migration('v004_orphan', `-- depends: v000_nowhere\n${table('c')}`)
    place.migration('v005_circle', `-- depends: v006_circle\n${table('d')}`)
    place.migration('v006_circle', `-- depends: v005_circle\n${table('e')}`)
    place.migration('v007_twice', table('f'))
    place.migration('v007_twice.js', `export function up() {}`)
    const problems = [
      /v003_unreadable\.sql: it has no line/,
      /version v007_twice is there twice/,
      /v004_orphan depends on v000_nowhere, which is not there/,
      /circle: v005_circle -> v006_circle -> v005_circle/,
      /v001_shop was edited after it was applied/,
      /v002_a is applied, but its file is gone/,
    ]
    for (const command of ['run', 'plan', 'status'])
      await expectUntouched(place, [command], 65, ...problems, /Mend the files.*put the files back as they were/s)
    const { msg } = errorOf(await place.run(['plan']))
    expect(msg.split('\n')).toHaveLength(problems.length + 1)
  }, 60_000)
})

describe('a database that is ahead of the image', () => {
  test('stops the deploy, with both levels and the way back', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    expectOk(await place.run(['run']))
    rmSync(join(place.migrations, 'v002_carts.sql'))
    await expectUntouched(place, ['run'], 76, 'v002_carts', 'v001_shop', 'rollback --to v001_shop')
  })
})

describe('a migration that comes late', () => {
  async function placeWithGap(): Promise<Workplace> {
    const place = await shop()
    place.migration('v003_carts', table('carts'))
    expectOk(await place.run(['run']))
    place.migration('v002_late', table('late'))
    return place
  }

  test('stops the deploy', async () => {
    const place = await placeWithGap()
    await expectUntouched(place, ['run'], 65, 'v002_late is pending, but v003_carts', '--out-of-order allow')
  })

  test('runs with --out-of-order allow, and the level stays the highest', async () => {
    const place = await placeWithGap()
    const ran = await place.run(['run', '--out-of-order', 'allow', '--json'])
    expectOk(ran)
    expect(JSON.parse(ran.stdout)).toMatchObject({ level: 'v003_carts', versions: [{ version: 'v002_late' }] })
    expect((await place.run(['run'])).stdout).toContain('Nothing to do: the database is at v003_carts')
  })

  test('runs with LOCKKEEPER_OUT_OF_ORDER=allow', async () => {
    const place = await placeWithGap()
    expectOk(await place.run(['run'], { LOCKKEEPER_OUT_OF_ORDER: 'allow' }))
  })
})

describe('--to', () => {
  test('an unknown version is refused with the known ones, also where there is no database yet', async () => {
    const place = await shop()
    await expectUntouched(place, ['run', '--to', 'v009'], 66, 'v009', 'v001_shop')
    const empty = newPlace()
    empty.migration('v001_shop', shopSchema)
    await expectUntouched(empty, ['run', '--to', 'v009'], 66, 'v009', 'v001_shop')
    expect(traceOf(empty.volume)).not.toHaveProperty('app.db')
    await expectUntouched(empty, ['plan', '--to', 'v009'], 66, 'v009', 'v001_shop')
  })

  test('leaves what comes after it for later', async () => {
    const place = await shop()
    place.migration('v002_a', table('a'))
    place.migration('v003_b', table('b'))
    const ran = await place.run(['run', '--to', 'v002_a', '--json'])
    expect(JSON.parse(ran.stdout)).toMatchObject({ level: 'v002_a', versions: [{ version: 'v002_a' }] })
    expect(JSON.parse((await place.run(['status', '--json'])).stdout).pending).toEqual(['v003_b'])
  })
})
