/** Where a database is: nothing is done where its locks could not be relied on, or where it would not last. */
import { expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import { traceOf } from '../support/workplace.ts'

/** On a machine of tests no volume is mounted at the temporary folder, as little as in a container that was set up wrong. */
const kubernetes = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }

test('in Kubernetes, a database of the container itself is left alone by every command that locks or copies it', async () => {
  const place = await shop()
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;')
  expectOk(await place.run(['backup']))
  const before = traceOf(place.folder)
  for (const args of [['run'], ['rollback', '--steps', '1'], ['backup'], ['restore', '--latest']])
    expectRefused(await place.run(args, kubernetes), 78, place.database, 'no volume is mounted', '--allow-filesystem')
  expect(traceOf(place.folder)).toEqual(before)
  expectOk(await place.run(['status'], kubernetes))
})

test('it is used where that is meant', async () => {
  const place = await shop()
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  expectOk(await place.run(['run', '--allow-filesystem'], kubernetes))
  expectOk(await place.run(['backup'], { ...kubernetes, LOCKKEEPER_ALLOW_FILESYSTEM: 'true' }))
})
