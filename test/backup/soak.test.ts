import { expect, it } from 'vitest'
import { parseDuration } from '../../src/units.ts'
import { soak } from './soak.ts'
import { freshFolder } from './support.ts'

/** `LOCKKEEPER_SOAK=30m` for a long one. */
const time = parseDuration(process.env['LOCKKEEPER_SOAK'] || '60s')

it(`backups, prunes, verifications, restores and pins, stopped and killed, lose nothing in ${time / 1000} s`, {
  timeout: time * 2 + 300_000,
}, async () => {
  const { counts, violations } = await soak(await freshFolder(), time, ({ counts }) => {
    if (time > 60_000) process.stderr.write(`${new Date().toISOString()} ${JSON.stringify(counts)}\n`)
  })
  expect(violations, JSON.stringify(counts)).toEqual([])
  for (const what of ['backup', 'prune', 'verify', 'restore', 'removed', 'deleted', 'killed', 'stopped'])
    expect(counts[what], what).toBeGreaterThan(0)
  console.info(JSON.stringify(counts))
})
