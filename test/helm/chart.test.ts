/** The chart, as Helm renders it: one description for each template, and what is refused. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { tiers } from '../../src/backup/format.ts'
import { patience } from '../environment/ask.ts'
import { type CommandError, run } from '../environment/command.ts'
import { kubernetesProgram } from '../environment/helm.ts'
import { freshFolder } from '../support/folder.ts'

const chart = fileURLToPath(new URL('../../helm/lockkeeper', import.meta.url))
/** What has no default. */
const needed = [
  'repository=s3://backups/app',
  'existingSecret=s3-credentials',
  'database.url=/data/app.db',
  'database.claimName=data-app-0',
  'user.uid=10001',
  'user.gid=10002',
  'colocate.matchLabels.app=app',
]

let helm: string

beforeAll(async () => {
  helm = await kubernetesProgram('helm')
}, patience)

// biome-ignore lint/suspicious/noExplicitAny: what Kubernetes takes has no types here
type Manifest = any

async function render(sets: readonly string[], folder = chart): Promise<Manifest[]> {
  const args = ['template', 'shop', folder, '--namespace', 'shops', ...sets.flatMap(set => ['--set', set])]
  return parseAllDocuments(await run(helm, args)).flatMap(document => document.toJSON() ?? [])
}

async function refusal(...sets: string[]): Promise<string> {
  const [name = ''] = sets.map(set => set.split('=')[0])
  const others = needed.filter(set => !set.startsWith(`${name}.`))
  return render([...others, ...sets]).then(
    () => 'it was rendered',
    (error: CommandError) => error.stderr,
  )
}

const podOf = (cronjob: Manifest) => cronjob.spec.jobTemplate.spec.template.spec
const named = (manifests: Manifest[], name: string) => manifests.find(({ metadata }) => metadata.name === name)
const envOf = (container: Manifest) =>
  Object.fromEntries(
    container.env.map(({ name, value, valueFrom }: Manifest) => [name, value ?? valueFrom.fieldRef.fieldPath]),
  )

test('helm lint has nothing against it', async () => {
  expect(await run(helm, ['lint', '--strict', chart, ...needed.flatMap(set => ['--set', set])])).toContain(
    '0 chart(s) failed',
  )
})

describe('backups.yaml', () => {
  test('is a CronJob for each tier, as the restricted Pod Security Standard and the volume want it', async () => {
    const manifests = await render(needed)
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`).sort()).toEqual([
      'CronJob shops shop-lockkeeper-backup-daily',
      'CronJob shops shop-lockkeeper-backup-monthly',
      'CronJob shops shop-lockkeeper-backup-weekly',
      'CronJob shops shop-lockkeeper-prune',
    ])
    for (const tier of ['daily', 'weekly', 'monthly']) {
      expect(tiers).toContain(tier)
      const cronjob = named(manifests, `shop-lockkeeper-backup-${tier}`)
      expect(cronjob.spec).toMatchObject({
        timeZone: 'Etc/UTC',
        suspend: false,
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 7200,
        jobTemplate: { spec: { backoffLimit: 3, activeDeadlineSeconds: 3600 } },
      })
      expect(cronjob.spec.jobTemplate.spec.podFailurePolicy.rules.map(({ action }: Manifest) => action)).toEqual([
        'Ignore',
        'FailJob',
      ])
      const pod = podOf(cronjob)
      expect(pod).toMatchObject({
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10002, fsGroup: 10002 },
      })
      const [term] = pod.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
      expect(term).toEqual({ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'app' } } })
      const [container] = pod.containers
      expect(container.args).toEqual(['backup', '--tier', tier])
      expect(container.image).toBe('lockkeeper:0.1.0')
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(envOf(container)).toMatchObject({
        DATABASE_URL: '/data/app.db',
        LOCKKEEPER_REPOSITORY: 's3://backups/app',
        LOCKKEEPER_TIMEOUT: '55m',
        LOCKKEEPER_TMPDIR: '/scratch',
        LOCKKEEPER_POD: 'metadata.name',
      })
      expect(container.envFrom).toEqual([{ secretRef: { name: 's3-credentials' } }])
      expect(pod.volumes[0]).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'data-app-0' } })
    }
  })

  test('takes over what is set', async () => {
    const sets = [
      'backups.weekly.enabled=false',
      'backups.daily.suspend=true',
      'timeZone=Europe/Berlin',
      'jobs.timeoutMinutes=10',
      'colocate.mode=preferred',
      'settings.LOCKKEEPER_KEEP_DAILY=14',
      'settings.AWS_REGION=eu-central-1',
      `image.digest=sha256:${'a'.repeat(64)}`,
      'serviceAccountName=backups',
      'user.fsGroup=7',
    ]
    const manifests = await render([...needed, ...sets])
    expect(named(manifests, 'shop-lockkeeper-backup-weekly')).toBeUndefined()
    const cronjob = named(manifests, 'shop-lockkeeper-backup-daily')
    expect(cronjob.spec).toMatchObject({ timeZone: 'Europe/Berlin', suspend: true })
    expect(cronjob.spec.jobTemplate.spec.activeDeadlineSeconds).toBe(900)
    const pod = podOf(cronjob)
    expect(pod.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution).toHaveLength(1)
    expect(pod).toMatchObject({
      serviceAccountName: 'backups',
      automountServiceAccountToken: true,
      securityContext: { fsGroup: 7 },
    })
    expect(pod.containers[0].image).toBe(`lockkeeper@sha256:${'a'.repeat(64)}`)
    expect(envOf(pod.containers[0])).toMatchObject({
      LOCKKEEPER_KEEP_DAILY: '14',
      AWS_REGION: 'eu-central-1',
      LOCKKEEPER_TIMEOUT: '10m',
      LOCKKEEPER_TIME_ZONE: 'Europe/Berlin',
    })
  })

  test('has names that a CronJob may have, however long the release is called', async () => {
    const args = ['template', 'a'.repeat(53), chart, ...needed.flatMap(set => ['--set', set])]
    const names = parseAllDocuments(await run(helm, args)).map(document => document.toJSON().metadata.name)
    for (const name of names) expect(name.length).toBeLessThanOrEqual(52)
  })
})

describe('prune.yaml', () => {
  test('needs neither the volume nor its node', async () => {
    const pod = podOf(named(await render(needed), 'shop-lockkeeper-prune'))
    expect(pod.containers[0].args).toEqual(['prune'])
    expect(pod.affinity).toBeUndefined()
    expect(pod.volumes).toEqual([{ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }])
    expect(named(await render([...needed, 'prune.enabled=false']), 'shop-lockkeeper-prune')).toBeUndefined()
  })
})

describe('the init container', () => {
  test('is put into the pod of a chart that has this one as a dependency', async () => {
    const folder = await freshFolder()
    await mkdir(join(folder, 'templates'))
    await mkdir(join(folder, 'charts'))
    await symlink(chart, join(folder, 'charts', 'lockkeeper'))
    await writeFile(
      join(folder, 'Chart.yaml'),
      'apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n  - name: lockkeeper\n    version: 0.1.0\n',
    )
    await writeFile(
      join(folder, 'templates', 'pod.yaml'),
      `apiVersion: v1
kind: Pod
metadata:
  name: shop
spec:
  initContainers:
    {{- include "lockkeeper.initContainer" .Subcharts.lockkeeper | nindent 4 }}
`,
    )
    const sets = [...needed, 'initContainer.migrationsVolume=migrations', 'global.anything=1'].map(set =>
      set.startsWith('global') ? set : `lockkeeper.${set}`,
    )
    const [container] = named(await render(sets, folder), 'shop').spec.initContainers
    expect(container).toMatchObject({ name: 'lockkeeper', args: ['run'], image: 'lockkeeper:0.1.0' })
    expect(envOf(container)).toMatchObject({ DATABASE_URL: '/data/app.db', LOCKKEEPER_IMAGE: 'lockkeeper:0.1.0' })
    expect(container.volumeMounts).toEqual([
      { name: 'data', mountPath: '/data' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'migrations', mountPath: '/migrations', readOnly: true },
    ])
  })
})

test('NOTES.txt says what was made, and how to see that it works', async () => {
  const args = ['install', 'shop', chart, '--dry-run=client', ...needed.flatMap(set => ['--set', set])]
  const text = await run(helm, args)
  expect(text).toContain('Backups of /data/app.db go to s3://backups/app.')
  expect(text).toContain('create job first-backup --from=cronjob/shop-lockkeeper-backup-daily')
})

describe('values', () => {
  test.each([
    ['repository=', 'set repository to where backups are kept'],
    ['database.url=', 'set database.url to the DATABASE_URL'],
    ['database.claimName=', 'set database.claimName to the PersistentVolumeClaim'],
    ['user.uid=null', 'set user.uid and user.gid to those of your application'],
    ['colocate.matchLabels=null', 'set colocate.matchLabels to the labels'],
    ['settings.AWS_SECRET_ACCESS_KEY=x', 'put it into a Secret and name that in existingSecret'],
    ['settings.LOCKKEEPER_TIMEOUT=5m', 'LOCKKEEPER_TIMEOUT follows from another value'],
  ])('that do not go together (%s) fail with a sentence', async (set, sentence) => {
    expect(await refusal(set)).toContain(sentence)
  })

  test.each([
    'repositroy=x',
    'backups.hourly.enabled=true',
    'user.uid=0',
    'image.pullPolicy=Sometimes',
    'repository=/data',
    'jobs.backoffLimit=-1',
  ])('that the schema does not know or allow (%s) are refused', async set => {
    expect(await refusal(set)).toContain("values don't meet the specifications of the schema")
  })
})
