/**
 * The example in `k8s/examples/statefulset`, on a real cluster: an application writes all the while, releases with
 * migrations roll out, broken ones do not start, pods are deleted; and every order that it acknowledged is there.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import { Example } from './example.ts'
import { levelOf, lost, takesOrders } from './orders.ts'

const pod = 'orders-0'
const releases = 10
const brokenReleases = [3, 6, 9]
const deletedPods = 20
const minutes = 60_000

let example: Example
let applied = 1

beforeAll(async () => {
  example = await Example.prepare('lockkeeper-example')
}, patience)

afterAll(() => example?.remove(), 2 * minutes)

describe('the StatefulSet example', () => {
  test(
    'comes up under the restricted Pod Security Standard',
    async () => {
      await example.apply()
      await ready(1)
      expect(await lastWord()).toContain('1 migration applied')
    },
    10 * minutes,
  )

  test('has a namespace in which the API server refuses a privileged pod', async () => {
    const privileged = ['run', 'privileged', `--image=${example.image}`, '--privileged', '--restart=Never']
    await expect(kubectl(...privileged)).rejects.toThrow(/violates PodSecurity "restricted:.*privileged/s)
  })

  test(
    'a release with another migration rolls out beside the writing application, and a broken one does not start',
    async () => {
      for (let release = 2; release <= releases + 1; release++) {
        if (brokenReleases.includes(release)) await breakAndMend(release)
        await add(release, `ALTER TABLE orders ADD COLUMN added_in_${release} INTEGER DEFAULT ${release};`)
        await example.apply()
        await ready(release)
      }
      expect(await lost(example)).toEqual({ lost: 0, twice: 0, columns: 3 + releases })
    },
    20 * minutes,
  )

  test(
    'pods that are deleted, gracefully or not, lose nothing',
    async () => {
      for (let count = 0; count < deletedPods; count++) {
        const force = count % 2 === 0 ? ['--grace-period=0', '--force'] : []
        const uid = await uidOf()
        await kubectl('delete', 'pod', pod, '--wait=false', ...force)
        await example.until(async () => (await uidOf()) !== uid)
        await ready(applied)
      }
      expect(await lost(example)).toMatchObject({ lost: 0, twice: 0 })
    },
    20 * minutes,
  )
})

/** A release whose migration fails: the application does not start, and `kubectl describe pod` says why in a sentence. */
async function breakAndMend(release: number): Promise<void> {
  const kustomization = await readFile(join(example.folder, 'kustomization.yaml'), 'utf8')
  await add(release, 'INSERT INTO orders (what) VALUES (NULL);')
  await example.apply()
  await example.until(
    async () => (await initState('reason')) === 'Error' || (await initState('reason')) === 'CrashLoopBackOff',
  )
  const described = await kubectl('describe', 'pod', pod)
  expect(described).toContain(`${versionOf(release)} failed at /migrations/${versionOf(release)}.sql`)
  expect(described).toContain('NOT NULL constraint failed: orders.what')
  await writeFile(join(example.folder, 'kustomization.yaml'), kustomization)
  await rm(join(example.folder, 'migrations', `${versionOf(release)}.sql`))
  applied = release - 1
  await example.apply()
  // A StatefulSet does not replace a pod that never became ready (https://github.com/kubernetes/kubernetes/issues/67250).
  await kubectl('delete', 'pod', pod, '--wait=true')
  await ready(release - 1)
}

async function add(release: number, sql: string): Promise<void> {
  const file = `migrations/${versionOf(release)}.sql`
  await writeFile(join(example.folder, file), `-- migrate:up\n${sql}\n-- migrate:down\n`)
  const last = `      - migrations/${versionOf(release - 1)}.sql\n`
  await example.edit('kustomization.yaml', last, `${last}      - ${file}\n`)
  applied = release
}

function versionOf(release: number): string {
  return release === 1 ? 'v001_orders' : `v${String(release).padStart(3, '0')}_release`
}

/** The application runs on this release and takes orders. */
async function ready(release: number): Promise<void> {
  await example.rolledOut()
  await example.until(async () => (await levelOf(example)) === versionOf(release))
  await takesOrders(example)
}

async function lastWord(): Promise<string> {
  return kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.initContainerStatuses[0].state.terminated.message}')
}

async function initState(field: 'reason'): Promise<string> {
  const state = '{.status.initContainerStatuses[0].state'
  const terminated = await kubectl(
    'get',
    'pod',
    pod,
    '--ignore-not-found',
    '-o',
    `jsonpath=${state}.terminated.${field}}`,
  )
  return terminated || kubectl('get', 'pod', pod, '--ignore-not-found', '-o', `jsonpath=${state}.waiting.${field}}`)
}

function uidOf(): Promise<string> {
  return kubectl('get', 'pod', pod, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}')
}

function kubectl(...args: readonly string[]): Promise<string> {
  return example.kubectl(...args)
}
