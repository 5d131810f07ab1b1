/** `status`, `plan` and `history`: what they tell of a database in each state, without a trace. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop, shopSchema } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

const carts = '-- description: what people want\n-- depends: v001_shop\n-- migrate:up\nCREATE TABLE carts (n);'

function emptyPlace(): Workplace {
  const place = newPlace()
  place.migration('v001_shop', shopSchema)
  place.migration('v002_carts', carts)
  return place
}

/** Runs it with and without --json, and sees that neither left a trace. */
async function ask(place: Workplace, ...args: string[]): Promise<{ text: string; document: Record<string, unknown> }> {
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const [text, json] = [await place.run(args), await place.run([...args, '--json'])]
  for (const ran of [text, json]) expectOk(ran)
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  return { text: text.stdout, document: JSON.parse(json.stdout) }
}

const both = ['v001_shop', 'v002_carts']

describe('a database that is not there', () => {
  test('is missing, and everything is pending', async () => {
    const { text, document } = await ask(emptyPlace(), 'status')
    expect(document).toMatchObject({
      state: 'missing',
      level: null,
      applied: 0,
      pending: both,
      bytes: 0,
      problem: null,
    })
    expect(text).toMatch(/pending +v001_shop, v002_carts/)
  })

  test('is planned from nothing', async () => {
    const { text, document } = await ask(emptyPlace(), 'plan')
    expect(document).toMatchObject({ from: null, level: 'v002_carts' })
    expect(document['migrations']).toMatchObject([
      { version: 'v001_shop', batch: 1, why: 'not applied yet' },
      { version: 'v002_carts', batch: 1, description: 'what people want', dependencies: ['v001_shop'] },
    ])
    expect(text).toMatch(/2 to run: from nothing to v002_carts\.\n$/)
  })

  test('has no history', async () => {
    expectRefused(await emptyPlace().run(['history']), 66, 'there is no database')
  })
})

test('a file of 0 bytes is empty', async () => {
  const place = emptyPlace()
  writeFileSync(place.database, '')
  const { document } = await ask(place, 'status')
  expect(document).toMatchObject({ state: 'empty', level: null, pending: both })
  expect((await ask(place, 'plan')).document).toMatchObject({ from: null, level: 'v002_carts' })
})

describe('a database without bookkeeping', () => {
  function unmanaged(): Workplace {
    const place = emptyPlace()
    pythonSql(place.database, shopSchema.slice(0, shopSchema.indexOf('-- migrate:down')))
    return place
  }

  test('is unmanaged, and status says what a deploy would say', async () => {
    const { text, document } = await ask(unmanaged(), 'status')
    expect(document).toMatchObject({ state: 'unmanaged', level: null })
    expect(document['problem']).toMatch(/its schema equals level v001_shop$/)
    expect(document['hint']).toContain('lockkeeper run --adopt')
    expect(text).toContain('lockkeeper run --adopt')
  })

  test('cannot be planned before it is taken over', async () => {
    expectRefused(await unmanaged().run(['plan']), 65, 'v001_shop', '--adopt')
  })

  test('has an empty history', async () => {
    expect((await ask(unmanaged(), 'history')).document).toMatchObject({ attempts: [], migrations: [] })
  })
})

describe('a database of ours', () => {
  test.each(['delete', 'wal'] as const)(
    'tells its level, what is pending and its last attempt, in %s mode',
    async mode => {
      const place = await shop({ mode })
      place.migration('v002_carts', carts)
      const { text, document } = await ask(place, 'status')
      expect(document).toMatchObject({
        state: 'managed',
        level: 'v001_shop',
        applied: 1,
        pending: ['v002_carts'],
        journalMode: mode === 'wal' ? 'wal' : 'rollback',
        problem: null,
        lastAttempt: { action: 'migrate', outcome: 'ok', to_level: 'v001_shop' },
      })
      expect(text).toMatch(new RegExp(`^database  ${place.database}: managed, .* KiB, `))
      expect(text).toMatch(/level +v001_shop \(1 applied\)\npending +v002_carts\nlast +migrate at .*: ok/)
    },
  )

  test('has one line in its history for each attempt, the newest first, with where it came from', async () => {
    const place = await shop()
    place.migration('v002_carts', carts)
    const where = {
      LOCKKEEPER_POD: 'app-7',
      LOCKKEEPER_NAMESPACE: 'shops',
      LOCKKEEPER_NODE: 'n1',
      LOCKKEEPER_IMAGE: 'shop:2',
      LOCKKEEPER_JOB: 'deploy-9',
    }
    expectOk(await place.run(['run'], where))
    const { text, document } = await ask(place, 'history')
    const attempts = document['attempts'] as Record<string, unknown>[]
    expect(attempts).toHaveLength(2)
    expect(attempts[0]).toMatchObject({
      pod: 'app-7',
      namespace: 'shops',
      node: 'n1',
      image: 'shop:2',
      job: 'deploy-9',
    })
    expect(attempts[0]).toMatchObject({
      from_level: 'v001_shop',
      to_level: 'v002_carts',
      backup_id: place.backups()[0],
    })
    expect(text).toMatch(/migrate +ok +v001_shop to v002_carts +.* app-7 +shop:2 +00000001-/)
    expect(text).toMatch(/2 attempts, 2 migrations on record\.\n$/)
  })

  test('tells what a deploy would refuse as part of its status', async () => {
    const place = await shop()
    place.migration('v001_shop', `${shopSchema}-- edited`)
    const { document, text } = await ask(place, 'status')
    expect(document['problem']).toContain('v001_shop was edited')
    expect(text).toMatch(/problem +.*v001_shop was edited/s)
    expectRefused(await place.run(['plan']), 65, 'v001_shop was edited')
  })

  test('with nothing to do says so', async () => {
    const place = await shop()
    expect((await ask(place, 'plan')).text).toBe('Nothing to do: the database is at v001_shop.\n')
    expect((await ask(place, 'status')).text).toMatch(/pending +nothing/)
  })
})

test('plan --to stops where it is told to', async () => {
  const place = emptyPlace()
  expect((await ask(place, 'plan', '--to', 'v001_shop')).document).toMatchObject({
    level: 'v001_shop',
    migrations: [{ version: 'v001_shop' }],
  })
})

test.each(['status', 'plan', 'run'])(
  '%s has let go of the database while it replays what the schema ought to be',
  async command => {
    const place = await shop()
    const [probe, seen] = [join(place.folder, 'probe'), join(place.folder, 'seen')]
    place.migration(
      'v002_probe.ts',
      `import { existsSync, writeFileSync } from 'node:fs'
     import { DatabaseSync } from 'node:sqlite'
     export function up(db: DatabaseSync) {
       db.exec('CREATE TABLE probe (x)')
       if (!existsSync(${JSON.stringify(probe)})) return
       const live = new DatabaseSync(${JSON.stringify(place.database)}, { timeout: 0 })
       const alone = () => {
         try {
           live.exec('BEGIN EXCLUSIVE; ROLLBACK')
           return 'free'
         } catch {
           return 'busy'
         }
       }
       writeFileSync(${JSON.stringify(seen)}, alone())
       live.close()
     }`,
    )
    expectOk(await place.run(['run']))
    // Not what was validated last, so that it has to be replayed.
    pythonSql(place.database, 'CREATE INDEX by_hand ON customers (name)')
    writeFileSync(probe, '')
    expectOk(await place.run([command]))
    expect(readFileSync(seen, 'utf8')).toBe('free')
  },
)
