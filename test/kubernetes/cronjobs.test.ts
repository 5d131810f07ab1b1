/** The CronJobs of `k8s/base`, as the StatefulSet example has them, on a real cluster beside the application that writes. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import { Example } from './example.ts'

const minutes = 60_000
const tiers = ['daily', 'weekly', 'monthly'] as const
const backupName = /\b\d{8}-\d{8}T\d{6}Z-[a-z+]+-v001_orders\b/

let example: Example

beforeAll(async () => {
  example = await Example.prepare('lockkeeper-cronjobs')
  await example.apply()
  await example.rolledOut()
}, patience)

afterAll(() => example?.remove(), 2 * minutes)

describe('the CronJobs', () => {
  test(
    'fire, all three in the same minute, do not fight, and their termination messages name the backups',
    async () => {
      // First by hand, so that the minute until the clock does is not only waited for.
      for (const tier of tiers)
        await example.kubectl('create', 'job', `by-hand-${tier}`, `--from=cronjob/backup-${tier}`)
      for (const tier of tiers) await schedule(tier, { schedule: '* * * * *', timeZone: 'Etc/UTC' })
      const byHand = await Promise.all(tiers.map(tier => lastWordOf(`by-hand-${tier}`)))
      await example.until(
        async () => (await Promise.all(tiers.map(firedBy))).every(jobs => jobs.length > 0),
        'cronjobs',
      )
      for (const tier of tiers) await schedule(tier, { suspend: true })
      const fired = (await Promise.all(tiers.map(firedBy))).flat()
      expect(new Set(fired.map(({ at }) => at)).size).toBeLessThanOrEqual(2)
      const byClock = await Promise.all(fired.map(({ name }) => lastWordOf(name)))
      const named = [...byHand, ...byClock].map(word => {
        const [sentence = '', json = ''] = word.split('\n')
        expect(JSON.parse(json)).toMatchObject({ code: 'ok', exit: 0, backup: backupName.exec(sentence)?.[0] })
        return String(JSON.parse(json).backup)
      })
      // Each has made one of its own.
      expect(new Set(named).size).toBe(named.length)
      expect((await backups()).sort()).toEqual(expect.arrayContaining(named))
      for (const [index, tier] of tiers.entries()) expect(named[index]).toContain(`-${tier}-`)
    },
    8 * minutes,
  )

  test(
    'do not try again what trying again cannot help, and say what it is',
    async () => {
      await job('wrong', 'cronjob/backup-daily', pod => {
        pod.containers[0].env.find(({ name }) => name === 'DATABASE_URL')!.value = '/data/other.db'
      })
      const conditions = async () =>
        JSON.parse(await example.kubectl('get', 'job', 'wrong', '-o', 'json')).status.conditions
      await example.until(async () =>
        ((await conditions()) ?? []).some(({ type }: { type: string }) => type === 'Failed'),
      )
      expect(await conditions()).toContainEqual(expect.objectContaining({ type: 'Failed', reason: 'PodFailurePolicy' }))
      const [pod, ...more] = await podsOf('wrong')
      expect(more).toEqual([])
      expect(pod?.message).toContain('there is nothing to back up: /data/other.db is not there')
    },
    4 * minutes,
  )
})

/** Changes a CronJob. */
async function schedule(tier: string, spec: object): Promise<void> {
  await example.kubectl('patch', 'cronjob', `backup-${tier}`, '--type=merge', '--patch', JSON.stringify({ spec }))
}

/** The Jobs that the clock has started, and for which moment. */
async function firedBy(tier: string): Promise<{ name: string; at: string }[]> {
  const { items } = JSON.parse(await example.kubectl('get', 'jobs', '-o', 'json')) as { items: Named[] }
  return items.flatMap(({ metadata: { annotations = {}, name } }) => {
    const at = annotations['batch.kubernetes.io/cronjob-scheduled-timestamp']
    return at !== undefined && name.startsWith(`backup-${tier}-`) ? [{ name, at }] : []
  })
}

/** The termination message of a Job that ends well. */
async function lastWordOf(name: string): Promise<string> {
  await example.kubectl('wait', '--for=condition=complete', `job/${name}`, '--timeout=120s')
  const [{ message } = { message: '' }] = await podsOf(name)
  return message
}

async function podsOf(name: string): Promise<{ message: string }[]> {
  const { items } = JSON.parse(
    await example.kubectl('get', 'pods', '--selector', `batch.kubernetes.io/job-name=${name}`, '-o', 'json'),
  )
  return items.map(({ status }: Pod) => ({ message: status.containerStatuses[0]?.state.terminated?.message ?? '' }))
}

/** The ids of what is in the repository, as another Job lists them. */
async function backups(): Promise<string[]> {
  await job('list', 'cronjob/prune', pod => {
    pod.containers[0].args = ['backups', '--json']
  })
  await lastWordOf('list')
  const listed = await example.kubectl('logs', 'job/list')
  return JSON.parse(listed.slice(listed.indexOf('{\n'))).backups.map(({ id }: { id: string }) => id)
}

interface Named {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
}

interface Pod {
  readonly status: {
    readonly containerStatuses: readonly { readonly state: { readonly terminated?: { readonly message?: string } } }[]
  }
}

interface PodSpec {
  readonly containers: readonly [{ args: string[]; readonly env: { readonly name: string; value: string }[] }]
}

/** A Job from a CronJob, with a change to its pod. */
async function job(name: string, from: string, change: (pod: PodSpec) => void): Promise<void> {
  const made = JSON.parse(
    await example.kubectl('create', 'job', name, `--from=${from}`, '--dry-run=client', '-o', 'json'),
  )
  change(made.spec.template.spec)
  const file = join(example.folder, `${name}.json`)
  await writeFile(file, JSON.stringify(made))
  await example.kubectl('apply', '-f', file)
}
