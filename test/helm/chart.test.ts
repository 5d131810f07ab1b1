/** The chart `lockkeeper`, as Helm renders it: one description for each template, and what is refused. */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { tiers } from '../../src/backup/format.ts'
import { exitCodes } from '../../src/errors.ts'
import { patience } from '../environment/ask.ts'
import { kubernetesProgram } from '../environment/helm.ts'
import { freshFolder } from '../support/folder.ts'
import {
  buildExample,
  jobsChart as chart,
  envOf,
  helm,
  lockedDown,
  type Manifest,
  named,
  needed,
  refusal,
  render,
  setting,
  unknownToTheSchema,
} from './rendering.ts'

beforeAll(() => kubernetesProgram('helm'), patience)

const cronjob = (manifests: Manifest[], ending: string) => named(manifests, 'CronJob', `shop-lockkeeper-${ending}`)
const podOf = (job: Manifest) => (job.spec.jobTemplate ?? job).spec.template.spec

test('helm lint has nothing against it', async () => {
  expect(await helm('lint', '--strict', chart, ...setting(needed))).toContain('0 chart(s) failed')
})

test('is installed from where it is, and packed with its library; helm dependency build spoils nothing', async () => {
  expect(await helm('dependency', 'list', chart)).toMatch(/^lockkeeper-library\s+0\.1\.0\s+unpacked/m)
  const folder = await freshFolder()
  await buildExample(folder)
  const copy = join(folder, 'lockkeeper')
  await helm('dependency', 'build', copy)
  await helm('package', copy, '--destination', folder)
  const manifests = await render(chart, ...needed)
  expect(await render(copy, ...needed)).toEqual(manifests)
  expect(await render(join(folder, 'lockkeeper-0.1.0.tgz'), ...needed)).toEqual(manifests)
})

describe('cronjobs.yaml', () => {
  test('is a CronJob for each tier, as the restricted Pod Security Standard and the volume want it', async () => {
    const manifests = await render(chart, ...needed)
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`).sort()).toEqual([
      'CronJob shops shop-lockkeeper-backup-daily',
      'CronJob shops shop-lockkeeper-backup-monthly',
      'CronJob shops shop-lockkeeper-backup-weekly',
      'CronJob shops shop-lockkeeper-prune',
      'CronJob shops shop-lockkeeper-verify',
    ])
    for (const tier of ['daily', 'weekly', 'monthly']) {
      expect(tiers).toContain(tier)
      const { spec } = cronjob(manifests, `backup-${tier}`)
      expect(spec).toMatchObject({
        timeZone: 'Etc/UTC',
        suspend: false,
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 7200,
        jobTemplate: { spec: { backoffLimit: 3, activeDeadlineSeconds: 3600, ttlSecondsAfterFinished: 604800 } },
      })
      const pod = podOf({ spec })
      expect(pod).toMatchObject({
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        enableServiceLinks: false,
      })
      expect(pod).not.toHaveProperty('serviceAccountName')
      expect(pod.securityContext).toEqual({
        runAsNonRoot: true,
        runAsUser: 10001,
        runAsGroup: 10002,
        fsGroup: 10002,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      })
      const [term] = pod.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
      expect(term).toEqual({ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'app' } } })
      const [container] = pod.containers
      expect(container).toMatchObject({
        args: ['backup', '--tier', tier],
        image: 'lockkeeper:0.1.0',
        envFrom: [{ secretRef: { name: 's3-credentials' } }],
      })
      expect(container.securityContext).toEqual(lockedDown)
      expect(envOf(container)).toEqual({
        DATABASE_URL: '/data/app.db',
        LOCKKEEPER_IMAGE: 'lockkeeper:0.1.0',
        LOCKKEEPER_JOB: "metadata.labels['batch.kubernetes.io/job-name']",
        LOCKKEEPER_NAMESPACE: 'metadata.namespace',
        LOCKKEEPER_NODE: 'spec.nodeName',
        LOCKKEEPER_POD: 'metadata.name',
        LOCKKEEPER_REPOSITORY: 's3://backups/app',
        LOCKKEEPER_TIMEOUT: '55m',
        LOCKKEEPER_TIME_ZONE: 'Etc/UTC',
        LOCKKEEPER_TMPDIR: '/scratch',
      })
      expect(container.volumeMounts).toEqual([
        { name: 'data', mountPath: '/data' },
        { name: 'lockkeeper-scratch', mountPath: '/scratch' },
        { name: 'lockkeeper-tmp', mountPath: '/tmp' },
      ])
      expect(pod.volumes).toEqual([
        { name: 'data', persistentVolumeClaim: { claimName: 'data-app-0' } },
        { name: 'lockkeeper-tmp', emptyDir: { sizeLimit: '64Mi' } },
        { name: 'lockkeeper-scratch', emptyDir: { sizeLimit: '2Gi' } },
      ])
    }
  })

  test('tries again after what may pass, and after nothing else', async () => {
    const { rules } = cronjob(await render(chart, ...needed), 'backup-daily').spec.jobTemplate.spec.podFailurePolicy
    expect(rules.map(({ action }: Manifest) => action)).toEqual(['Ignore', 'FailJob'])
    const { ok, busy, io, storage, interrupted, terminated, ...final } = exitCodes
    expect(rules[1].onExitCodes).toEqual({
      containerName: 'lockkeeper',
      operator: 'In',
      values: Object.values(final).map(({ exit }) => exit),
    })
    expect([ok, busy, io, storage, interrupted, terminated].map(({ exit }) => exit)).toEqual([0, 75, 74, 69, 130, 143])
  })

  test('prunes and verifies without the volume, and so on any node', async () => {
    const manifests = await render(chart, ...needed, 'verify.all=true')
    for (const [ending, args] of [
      ['prune', ['prune']],
      ['verify', ['verify', '--all']],
    ] as const) {
      const pod = podOf(cronjob(manifests, ending))
      expect(pod.containers[0].args).toEqual(args)
      expect(pod).not.toHaveProperty('affinity')
      expect(pod.volumes.map(({ name }: Manifest) => name)).toEqual(['lockkeeper-tmp', 'lockkeeper-scratch'])
    }
    const [latest] = podOf(cronjob(await render(chart, ...needed), 'verify')).containers
    expect(latest.args).toEqual(['verify', '--latest'])
  })

  test('holds drills, with the migrations, where that is switched on', async () => {
    const values = ['drill.enabled=true', 'lockkeeper.migrations.configMap=shop-migrations']
    const manifests = await render(chart, ...needed, ...values)
    const pod = podOf(cronjob(manifests, 'drill'))
    expect(pod.containers[0].args).toEqual(['drill'])
    expect(pod.containers[0].volumeMounts).toContainEqual({
      name: 'lockkeeper-migrations',
      mountPath: '/migrations',
      readOnly: true,
    })
    expect(pod.volumes).toContainEqual({ name: 'lockkeeper-migrations', configMap: { name: 'shop-migrations' } })
    expect(pod).not.toHaveProperty('affinity')
    // A pod does not start while its ConfigMap is missing: a backup must not wait for one.
    expect(JSON.stringify(cronjob(manifests, 'backup-daily'))).not.toContain('migrations')
  })

  test('takes over what is set', async () => {
    const manifests = await render(
      chart,
      ...needed.filter(value => !value.startsWith('lockkeeper.user.')),
      'backups.weekly.enabled=false',
      'prune.enabled=false',
      'verify.enabled=false',
      'backups.daily.suspend=true',
      'timeZone=Europe/Berlin',
      'colocate.mode=preferred',
      'lockkeeper.settings.LOCKKEEPER_KEEP_DAILY=14',
      'lockkeeper.settings.AWS_REGION=eu-central-1',
      `lockkeeper.image.digest=sha256:${'a'.repeat(64)}`,
      'lockkeeper.database.subPath=db',
      'serviceAccount.name=backups',
      'priorityClassName=low',
      'global.anything=1',
      {
        'lockkeeper.user': {
          // As OpenShift hands them out.
          uid: 1_000_650_000,
          gid: 10002,
          fsGroup: 1_000_650_001,
          seLinuxOptions: { level: 's0:c1,c2' },
          seLinuxChangePolicy: 'Recursive',
        },
        'lockkeeper.extraEnv': [
          { name: 'PROXY_PASSWORD', valueFrom: { secretKeyRef: { name: 'proxy', key: 'password' } } },
        ],
        'lockkeeper.envFrom': [{ configMapRef: { name: 'store' } }],
        'lockkeeper.extraVolumes': [{ name: 'ca', configMap: { name: 'ca' } }],
        'lockkeeper.extraVolumeMounts': [{ name: 'ca', mountPath: '/ca' }],
        'jobs.timeoutMinutes': 10,
        'jobs.ttlSecondsAfterFinished': 2_592_000,
        labels: { team: 'shop' },
        annotations: { owner: 'shop' },
        podLabels: { sidecar: 'no' },
        podAnnotations: { 'sidecar.istio.io/inject': 'false' },
        imagePullSecrets: ['registry'],
        nodeSelector: { disk: 'fast' },
        tolerations: [{ key: 'db', operator: 'Exists' }],
        affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      },
    )
    expect(manifests.map(({ metadata }) => metadata.name)).toEqual([
      'shop-lockkeeper-backup-daily',
      'shop-lockkeeper-backup-monthly',
    ])
    const daily = cronjob(manifests, 'backup-daily')
    expect(daily.metadata).toMatchObject({ labels: { team: 'shop' }, annotations: { owner: 'shop' } })
    expect(daily.spec).toMatchObject({ timeZone: 'Europe/Berlin', suspend: true })
    expect(daily.spec.jobTemplate.spec).toMatchObject({
      activeDeadlineSeconds: 900,
      ttlSecondsAfterFinished: 2_592_000,
      template: {
        metadata: {
          labels: { team: 'shop', sidecar: 'no', 'app.kubernetes.io/component': 'backup-daily' },
          annotations: { owner: 'shop', 'sidecar.istio.io/inject': 'false' },
        },
      },
    })
    const pod = podOf(daily)
    expect(pod.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution).toHaveLength(1)
    expect(pod).toMatchObject({
      serviceAccountName: 'backups',
      automountServiceAccountToken: false,
      priorityClassName: 'low',
      imagePullSecrets: [{ name: 'registry' }],
      nodeSelector: { disk: 'fast' },
      tolerations: [{ key: 'db', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      securityContext: {
        runAsUser: 1_000_650_000,
        runAsGroup: 10002,
        fsGroup: 1_000_650_001,
        seLinuxOptions: { level: 's0:c1,c2' },
        seLinuxChangePolicy: 'Recursive',
      },
    })
    expect(pod.volumes).toContainEqual({ name: 'ca', configMap: { name: 'ca' } })
    const [container] = pod.containers
    expect(container.image).toBe(`lockkeeper@sha256:${'a'.repeat(64)}`)
    expect(container.envFrom).toEqual([{ configMapRef: { name: 'store' } }, { secretRef: { name: 's3-credentials' } }])
    expect(container.volumeMounts).toEqual(
      expect.arrayContaining([
        { name: 'ca', mountPath: '/ca' },
        { name: 'data', mountPath: '/data', subPath: 'db' },
      ]),
    )
    expect(envOf(container)).toMatchObject({
      LOCKKEEPER_KEEP_DAILY: '14',
      AWS_REGION: 'eu-central-1',
      LOCKKEEPER_TIMEOUT: '10m',
      LOCKKEEPER_TIME_ZONE: 'Europe/Berlin',
      PROXY_PASSWORD: { secretKeyRef: { name: 'proxy', key: 'password' } },
    })
  })

  test('has names that a CronJob may have, however long the release is called', async () => {
    const text = await helm('template', 'a'.repeat(53), chart, ...setting([...needed, 'drill.enabled=true']))
    const names = parseAllDocuments(text).map(document => document.toJSON().metadata.name)
    expect(names).toHaveLength(6)
    for (const name of names) expect(name.length).toBeLessThanOrEqual(52)
  })
})

describe('job.yaml', () => {
  const jobIn = (manifests: Manifest[]) => manifests.find(({ kind }) => kind === 'Job')

  test('is not there by default', async () => {
    expect(jobIn(await render(chart, ...needed))).toBeUndefined()
  })

  test('runs one command', async () => {
    const job = jobIn(await render(chart, ...needed, 'job.enabled=true', { 'job.args': ['backup', '--pin'] }))
    expect(job.metadata.name).toMatch(/^shop-lockkeeper-once-[0-9a-f]{8}$/)
    expect(job.metadata).not.toHaveProperty('annotations')
    // What had expired Helm would make anew at the next upgrade: a restore would run twice.
    expect(job.spec).not.toHaveProperty('ttlSecondsAfterFinished')
    expect(podOf(job).containers[0].args).toEqual(['backup', '--pin'])
    expect(podOf(job).affinity.podAffinity).toHaveProperty('requiredDuringSchedulingIgnoredDuringExecution')
  })

  test('is another one for another command or another name, and the same one for another image', async () => {
    const nameWith = async (...values: Parameters<typeof setting>[0]) =>
      jobIn(await render(chart, ...needed, 'job.enabled=true', ...values)).metadata.name
    const name = await nameWith()
    expect(await nameWith('lockkeeper.image.tag=v9')).toBe(name)
    expect(await nameWith('job.args={status}')).not.toBe(name)
    expect(await nameWith('job.name=again')).toMatch(/^shop-lockkeeper-again-/)
    const longest = await helm(
      'template',
      'a'.repeat(53),
      chart,
      ...setting([...needed, 'job.enabled=true', 'job.name=sixteen-letters1']),
      '--show-only=templates/job.yaml',
    )
    expect(/^ {2}name: (\S+)$/m.exec(longest)?.[1]?.length).toBeLessThanOrEqual(63)
  })

  test('needs neither the application nor the volume where it says so', async () => {
    const alone = jobIn(await render(chart, ...needed, 'job.enabled=true', 'job.colocate=none'))
    expect(podOf(alone)).not.toHaveProperty('affinity')
    const without = jobIn(await render(chart, ...needed, 'job.enabled=true', 'job.database=false'))
    expect(JSON.stringify(podOf(without))).not.toContain('persistentVolumeClaim')
  })

  test('is a hook where it says so, and a warning with it', async () => {
    const values = [...needed, 'job.enabled=true', 'job.hook={pre-upgrade,post-install}']
    const job = jobIn(await render(chart, ...values))
    expect(job.metadata.annotations).toEqual({
      'helm.sh/hook': 'pre-upgrade,post-install',
      'helm.sh/hook-delete-policy': 'before-hook-creation',
    })
    expect(await helm('install', 'shop', chart, '--dry-run=client', ...setting(values))).toContain(
      'A hook (pre-upgrade, post-install) and a ReadWriteOnce volume do not go together',
    )
  })
})

describe('serviceaccount.yaml', () => {
  test('is made where that is asked for, with what gives the pod its identity', async () => {
    const manifests = await render(chart, ...needed, 'serviceAccount.create=true', {
      'serviceAccount.annotations': { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/backups' },
    })
    expect(named(manifests, 'ServiceAccount', 'shop-lockkeeper')).toMatchObject({
      metadata: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/backups' } },
      automountServiceAccountToken: false,
    })
    expect(podOf(cronjob(manifests, 'prune')).serviceAccountName).toBe('shop-lockkeeper')
    const called = await render(chart, ...needed, 'serviceAccount.create=true', 'serviceAccount.name=vault')
    expect(podOf(cronjob(called, 'prune')).serviceAccountName).toBe(
      named(called, 'ServiceAccount', 'vault').metadata.name,
    )
  })
})

describe('networkpolicy.yaml', () => {
  test('lets the pods of this chart reach name servers and the store, and nobody them', async () => {
    const manifests = await render(
      chart,
      ...needed,
      'networkPolicy.enabled=true',
      'networkPolicy.cidrs={10.1.0.0/16,169.254.170.23/32}',
      'networkPolicy.ports={443,9000}',
      { 'networkPolicy.egress': [{ to: [{ podSelector: { matchLabels: { app: 's3' } } }], ports: [{ port: 7070 }] }] },
    )
    const { spec } = named(manifests, 'NetworkPolicy', 'shop-lockkeeper')
    expect(spec).toEqual({
      podSelector: { matchLabels: { 'app.kubernetes.io/name': 'lockkeeper', 'app.kubernetes.io/instance': 'shop' } },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        {
          ports: [
            { port: 53, protocol: 'UDP' },
            { port: 53, protocol: 'TCP' },
          ],
        },
        {
          to: [{ ipBlock: { cidr: '10.1.0.0/16' } }, { ipBlock: { cidr: '169.254.170.23/32' } }],
          ports: [
            { port: 443, protocol: 'TCP' },
            { port: 9000, protocol: 'TCP' },
          ],
        },
        { to: [{ podSelector: { matchLabels: { app: 's3' } } }], ports: [{ port: 7070 }] },
      ],
    })
    const pods = manifests.filter(({ kind }) => kind === 'CronJob').map(({ spec }) => spec.jobTemplate.spec.template)
    for (const { metadata } of pods) expect(metadata.labels).toMatchObject(spec.podSelector.matchLabels)
    const strict = await render(chart, ...needed, 'networkPolicy.enabled=true', 'networkPolicy.cidrs={10.0.0.0/8}', {
      'networkPolicy.dnsTo': [{ namespaceSelector: {} }],
    })
    expect(named(strict, 'NetworkPolicy', 'shop-lockkeeper').spec.egress[0].to).toEqual([{ namespaceSelector: {} }])
  })
})

test('NOTES.txt says what was made, and how to see that it works', async () => {
  const text = await helm('install', 'shop', chart, '--dry-run=client', ...setting(needed))
  expect(text).toContain('Backups of /data/app.db go to s3://backups/app.')
  expect(text).toMatch(/backup-daily +15 4 \* \* \* {2}Etc\/UTC/)
  expect(text).toContain('create job first-backup --from=cronjob/shop-lockkeeper-backup-daily')
  expect(text).not.toContain('hook')
})

describe('values', () => {
  test.each([
    ['lockkeeper.repository=', 'set lockkeeper.repository to where backups are kept'],
    ['lockkeeper.database.url=', 'set lockkeeper.database.url to the DATABASE_URL'],
    ['claimName=', 'set claimName to the PersistentVolumeClaim'],
    ['lockkeeper.user.uid=null', 'set lockkeeper.user.uid and gid to those of your application'],
    ['lockkeeper.user.gid=null', 'set lockkeeper.user.uid and gid to those of your application'],
    ['colocate.matchLabels=null', 'set colocate.matchLabels to the labels'],
    ['affinity.podAffinity.x=y', 'leave affinity.podAffinity out, or set colocate.mode to none'],
    ['lockkeeper.settings.LOCKKEEPER_TIMEOUT=5m', 'LOCKKEEPER_TIMEOUT follows from jobs.timeoutMinutes'],
    ['lockkeeper.settings.LOCKKEEPER_TIME_ZONE=UTC', 'LOCKKEEPER_TIME_ZONE follows from timeZone'],
    ['lockkeeper.extraEnv[0].name=LOCKKEEPER_TIMEOUT', 'LOCKKEEPER_TIMEOUT follows from jobs.timeoutMinutes'],
    ['lockkeeper.migrations.files=m/*,drill.enabled=true', "migrations.files are in your application's chart"],
    ['lockkeeper.repository=,lockkeeper.settings.LOCKKEEPER_NO_BACKUP=true', 'set lockkeeper.repository'],
    ['networkPolicy.enabled=true', 'set networkPolicy.cidrs or networkPolicy.egress'],
    [
      'job.enabled=true,job.hook={pre-install},serviceAccount.create=true',
      'before which Helm makes no service account',
    ],
  ])('that do not go together (%s) fail with a sentence', async (set, sentence) => {
    expect(await refusal(chart, ...needed, set)).toContain(sentence)
  })

  test.each([
    'repository=s3://backups/app',
    'lockkeeper.repositroy=x',
    'backups.hourly.enabled=true',
    'lockkeeper.user.uid=0',
    'lockkeeper.image.pullPolicy=Sometimes',
    'lockkeeper.image.digest=latest',
    'lockkeeper.repository=/data',
    'jobs.backoffLimit=-1',
    'job.hook={before}',
    'job.name=Upper',
    'alerts.maxAgeHours.daily=0',
    'networkPolicy.cidrs={s3.example.org}',
    'serviceAccountName=old',
  ])('that the schema does not know or allow (%s) are refused', async set => {
    expect(await refusal(chart, ...needed, set)).toContain(unknownToTheSchema)
  })
})
