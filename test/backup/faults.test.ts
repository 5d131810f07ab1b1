/**
 * Something goes wrong at one request of a backup, a verification or a restore. Whatever it is and whichever request it
 * is: the result is success or an error with a name, a manifest that exists names only whole chunks, nothing whole is
 * taken for bad, and the same again without a fault succeeds.
 *
 * The suite takes a few requests of each; LOCKKEEPER_SWEEP=all takes every one, and prints the counts.
 */

import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patience } from '../environment/ask.ts'
import { type S3Server, startS3Server } from '../storage/s3-servers.ts'
import { change, makeDatabase, scratch } from './support.ts'
import { attempt, faults, type Operation, type Place } from './sweep.ts'

const all = process.env['LOCKKEEPER_SWEEP'] === 'all'
/** Of each fault, where not all are taken. */
const sample = 1

const servers = { versitygw: undefined as Place | undefined, minio: undefined as Place | undefined }
const running: S3Server[] = []
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(scratch, 'lockkeeper-sweep-'))
  const [first, second] = [join(folder, 'first.db'), join(folder, 'second.db')]
  makeDatabase(first, { rows: 60 })
  await copyFile(first, second)
  change(second, "UPDATE visits SET note = 'changed' WHERE id = 30")
  for (const which of ['versitygw', 'minio'] as const) {
    const server = await startS3Server(which)
    running.push(server)
    servers[which] = { server, bucket: await server.bucket(), folder }
  }
}, patience)
afterAll(async () => {
  for (const server of running) await server.stop()
  await rm(folder, { recursive: true, force: true })
})

describe.each(['versitygw', 'minio'] as const)('on %s', which => {
  describe.each(['backup', 'verification', 'restore'] as const)('a %s', operation => {
    it.each(Object.entries(faults))(
      'on which %s',
      async (name, fault) => {
        const place = servers[which]!
        const requests = await requestsOf(place, operation)
        const counts: Record<string, number> = {}
        for (const request of chosen(requests)) {
          const { outcome } = await attempt(place, operation, request, fault).catch(error => {
            throw new Error(`request ${request} of ${requests}: ${error.message}`, { cause: error })
          })
          counts[outcome] = (counts[outcome] ?? 0) + 1
        }
        if (all) report(which, operation, name, requests, counts)
      },
      all ? 1_800_000 : undefined,
    )
  })
})

const measured = new Map<string, number>()

/** How many requests it takes without a fault. */
async function requestsOf(place: Place, operation: Operation): Promise<number> {
  const name = `${place.server.name} ${operation}`
  const known = measured.get(name)
  if (known !== undefined) return known
  const { outcome, requests } = await attempt(place, operation, Number.POSITIVE_INFINITY, [() => ({ reset: true }), 0])
  expect(outcome).toBe('success')
  expect(requests).toBeGreaterThan(5)
  measured.set(name, requests)
  return requests
}

function chosen(requests: number): number[] {
  const every = Array.from({ length: requests }, (_, i) => i + 1)
  return all ? every : every.sort(() => Math.random() - 0.5).slice(0, sample)
}

function report(which: string, operation: Operation, name: string, requests: number, counts: object): void {
  process.stdout.write(`${[which, operation, name, requests, JSON.stringify(counts)].join(' | ')}\n`)
}
