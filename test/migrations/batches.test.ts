import { describe, expect, it } from 'vitest'
import { batchesOf } from '../../src/migrations/batches.ts'
import { migration, versionsOf } from './migration.ts'

const plain = (version: string) => migration(version)
const alone = (version: string) => migration(version, { directives: { transaction: false } })
const withKeys = (version: string) => migration(version, { directives: { foreignKeys: true } })
const batches = (...list: ReturnType<typeof migration>[]) =>
  batchesOf(list).map(({ migrations, transaction, foreignKeys }) => [
    versionsOf(migrations).join(' '),
    transaction,
    foreignKeys,
  ])

describe('pending migrations are', () => {
  it('one batch', () => {
    expect(batches(plain('v1'), plain('v2'), plain('v3'))).toEqual([['v1 v2 v3', true, false]])
  })

  it('split around each that cannot be in a transaction', () => {
    expect(batches(plain('v1'), alone('v2'), alone('v3'), plain('v4'), plain('v5'))).toEqual([
      ['v1', true, false],
      ['v2', false, false],
      ['v3', false, false],
      ['v4 v5', true, false],
    ])
  })

  it('split where foreign keys are to be enforced, which no transaction can change', () => {
    expect(batches(plain('v1'), withKeys('v2'), withKeys('v3'), plain('v4'))).toEqual([
      ['v1', true, false],
      ['v2 v3', true, true],
      ['v4', true, false],
    ])
  })

  it('none where there is none', () => {
    expect(batches()).toEqual([])
  })
})
