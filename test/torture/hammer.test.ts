/**
 * An application that hammers its database while deploy after deploy happens. Nothing that it was told is committed is
 * lost, and nothing is written between a backup and the commit that follows it: what the first migration of each deploy
 * saw is row for row what its backup has. LOCKKEEPER_TORTURE_DEPLOYS: how many in each mode.
 */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type Batch, batchOf, firstChange } from './changes.ts'
import { Draw } from './draw.ts'
import { Job } from './job.ts'
import { Ground, Place } from './place.ts'
import { Judge } from './verdict.ts'
import { type Mode, startWriter } from './writers.ts'

const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const deploys = Number(process.env['LOCKKEEPER_TORTURE_DEPLOYS'] ?? 6)

test.each<Mode>(['wal', 'rollback'])(
  'deploys beside writers that never pause (%s)',
  { timeout: 60_000 * deploys },
  async mode => {
    const judge = new Judge()
    const ground = new Ground(mode, false)
    onTestFinished(() => {
      judge.end()
      ground.remove()
    })
    const place = await Place.make(ground, undefined)
    const { database, env, ledgers, repository } = place
    const run = (boundaries: readonly string[]) =>
      new Job({ program, env, intents: join(repository, 'intents'), boundaries }).done
    const journal_mode = mode === 'wal' ? 'wal' : 'delete'
    const settings = { page_size: 4096, auto_vacuum: 0, user_version: 7, application_id: 8, journal_mode }
    await judge.make(database, settings)
    place.add({ changes: [firstChange] })
    expect(await run([firstChange.version])).toMatchObject({ exit: 0 })
    await judge.fill(database, 1000)

    const writers = await Promise.all(
      (['python', 'node', 'shell'] as const).map(language =>
        startWriter({ name: language, language, database, ledgers, mode, pause: 1 }),
      ),
    )
    onTestFinished(async () => void (await Promise.all(writers.map(writer => writer.kill()))))
    const batches: Batch[] = []
    for (let deploy = 0; deploy < deploys; deploy++) {
      const batch = batchOf(new Draw(`hammer ${mode} ${deploy}`), 2 + 3 * deploy, batches.at(-1))
      batches.push(batch)
      place.add(batch)
      const before = writers.map(writer => writer.account().acknowledged)
      for (const writer of writers) writer.go()
      const { exit, log } = await run(batch.boundaries)
      expect(exit, log).toBe(0)
      await Promise.all(writers.map(writer => writer.pause()))
      const accounts = writers.map(writer => writer.account())
      const verdict = await judge.judge({
        database,
        repository,
        lost: [],
        round: mode,
        changes: [firstChange, ...batches.flatMap(({ changes }) => changes)],
        levels: [batch.boundaries.at(-1) ?? ''],
        taken: batches.map(({ taken }) => taken),
        accounts: [{ writer: 'before', acknowledged: 1000, tried: 1000, refusals: 0 }, ...accounts],
        settings,
      })
      expect(verdict.problems).toEqual([])
      // They were at work: it was no deploy on a database at rest.
      expect(accounts.reduce((sum, { acknowledged }) => sum + acknowledged, 0)).toBeGreaterThan(
        before.reduce((sum, rows) => sum + rows, 0),
      )
    }
  },
)
