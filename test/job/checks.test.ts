/** The application's own checks in a deploy: run before the commit, once everything in the folder is applied. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deploy, rehearse, rollBack } from '../../src/index.ts'
import { deployOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, type Workplace } from '../support/workplace.ts'

async function shopWith(check: string): Promise<Workplace> {
  const place = await shop()
  mkdirSync(join(place.migrations, 'checks'))
  writeFileSync(join(place.migrations, 'checks', 'priced.sql'), `-- every order has a price\n${check}\n`)
  place.migration(
    'v002_price',
    '-- migrate:up\nALTER TABLE orders ADD COLUMN price;\nUPDATE orders SET price = 1 WHERE id < 4;\n-- migrate:down\nALTER TABLE orders DROP COLUMN price;\n',
  )
  return place
}

const priced = 'SELECT id, what FROM orders WHERE price IS NULL'
const refusal = {
  code: 'invalid',
  message: expect.stringMatching(/the check priced \(every order has a price\) finds \(id 4, what clu\)/),
}

test('rows that a check finds stop it, and everything is rolled back; the rehearsal says so', async () => {
  const place = await shopWith(priced)
  const before = applicationOf(place.database)
  await expect(rehearse(deployOptions(place))).rejects.toMatchObject(refusal)
  await expect(deploy(deployOptions(place))).rejects.toMatchObject({
    ...refusal,
    hint: expect.stringContaining('Everything was rolled back'),
  })
  expect(applicationOf(place.database)).toEqual(before)
  expect(place.query('SELECT outcome FROM schema_migration_events ORDER BY id DESC LIMIT 1')).toEqual([
    { outcome: 'failed' },
  ])
  place.migration(
    'v003_rest',
    '-- migrate:up\nUPDATE orders SET price = 2 WHERE price IS NULL;\n-- migrate:down\nSELECT 1;',
  )
  expect(await deploy(deployOptions(place))).toMatchObject({ level: 'v003_rest', warnings: [] })
})

test('they are not asked of a level in between, nor in a rollback', async () => {
  const place = await shopWith('SELECT id FROM carts WHERE n IS NULL')
  place.migration('v003_carts', '-- migrate:up\nCREATE TABLE carts (id, n);\n-- migrate:down\nDROP TABLE carts;')
  expect(await deploy(deployOptions(place, { to: 'v002_price' }))).toMatchObject({ level: 'v002_price' })
  expect(await deploy(deployOptions(place))).toMatchObject({ level: 'v003_carts' })
  expect(await rollBack({ ...deployOptions(place), target: { steps: 1 }, allowRowLoss: false })).toMatchObject({
    level: 'v002_price',
  })
  await deploy(deployOptions(place))
  pythonSql(place.database, 'INSERT INTO carts VALUES (1, NULL)')
  expect(await deploy(deployOptions(place))).toMatchObject({ outcome: 'unchanged' })
})

test('one that is not sound is refused before anything is touched, and one of a function of the application only warns', async () => {
  const place = await shopWith(`${priced}; SELECT 1`)
  await expect(deploy(deployOptions(place))).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(/a check is one/),
  })
  expect(place.backups()).toEqual([])
  writeFileSync(join(place.migrations, 'checks', 'priced.sql'), 'SELECT id FROM orders WHERE shout(what)')
  expect((await deploy(deployOptions(place))).warnings).toEqual([
    'the check priced could not run: no such function: shout',
  ])
})
