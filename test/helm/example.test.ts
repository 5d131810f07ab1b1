/** The library, in the application's chart in `helm/examples/app`, as Helm renders it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import {
  buildExample,
  envOf,
  helm,
  lockedDown,
  type Manifest,
  named,
  refusal,
  render,
  setting,
  unknownToTheSchema,
} from './rendering.ts'

const needed = ['lockkeeper.repository=s3://backups/orders']
let folder: string
let example: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockkeeper-charts-'))
  example = await buildExample(folder)
}, patience)

afterAll(() => rm(folder, { recursive: true, force: true }))

const podOf = (manifests: Manifest[]) => named(manifests, 'Deployment', 'shop').spec.template.spec
const rendered = (...values: Parameters<typeof setting>[0]) => render(example, ...needed, ...values)

test('helm lint has nothing against it', async () => {
  expect(await helm('lint', '--strict', example, ...setting(needed))).toContain('0 chart(s) failed')
})

test('its pod is the application with the deploy job before it, under the restricted Pod Security Standard', async () => {
  const manifests = await rendered('global.anything=1')
  expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`).sort()).toEqual([
    'ConfigMap shops shop-app',
    'ConfigMap shops shop-migrations',
    'Deployment shops shop',
    'PersistentVolumeClaim shops shop-data',
    'Service shops shop',
  ])
  const { spec } = named(manifests, 'Deployment', 'shop')
  expect(spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
  const pod = podOf(manifests)
  expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false })
  expect(pod.securityContext).toEqual({
    runAsNonRoot: true,
    runAsUser: 10001,
    runAsGroup: 10001,
    fsGroup: 10001,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  })
  const [init, ...sidecars] = pod.initContainers
  expect(sidecars).toEqual([])
  expect(init).toMatchObject({ name: 'lockkeeper', args: ['run'], image: 'lockkeeper:0.1.0' })
  expect(init).not.toHaveProperty('restartPolicy')
  expect(init.securityContext).toEqual(lockedDown)
  expect(envOf(init)).toEqual({
    DATABASE_URL: '/data/orders.db',
    LOCKKEEPER_IMAGE: 'lockkeeper:0.1.0',
    LOCKKEEPER_NAMESPACE: 'metadata.namespace',
    LOCKKEEPER_NODE: 'spec.nodeName',
    LOCKKEEPER_POD: 'metadata.name',
    LOCKKEEPER_REPOSITORY: 's3://backups/orders',
    LOCKKEEPER_TMPDIR: '/scratch',
    MIGRATIONS_CHECKSUM: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(init.volumeMounts).toEqual([
    { name: 'data', mountPath: '/data' },
    { name: 'lockkeeper-migrations', mountPath: '/migrations', readOnly: true },
    { name: 'lockkeeper-scratch', mountPath: '/scratch' },
    { name: 'lockkeeper-tmp', mountPath: '/tmp' },
  ])
  expect(pod.volumes).toEqual([
    { name: 'data', persistentVolumeClaim: { claimName: 'shop-data' } },
    { name: 'app', configMap: { name: 'shop-app' } },
    { name: 'lockkeeper-tmp', emptyDir: { sizeLimit: '64Mi' } },
    { name: 'lockkeeper-scratch', emptyDir: { sizeLimit: '2Gi' } },
    { name: 'lockkeeper-migrations', configMap: { name: 'shop-migrations', items: expect.any(Array) } },
  ])
  expect(pod.containers[0].securityContext).toEqual(lockedDown)
})

test('its claim outlives the release, and may be one that is there', async () => {
  const claim = named(await rendered(), 'PersistentVolumeClaim', 'shop-data')
  expect(claim.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' })
  const manifests = await rendered('persistence.claimName=mine')
  expect(manifests.filter(({ kind }) => kind === 'PersistentVolumeClaim')).toEqual([])
  expect(podOf(manifests).volumes[0].persistentVolumeClaim).toEqual({ claimName: 'mine' })
})

describe('migrations', () => {
  test('that are files of the chart are a ConfigMap, and another one is another pod', async () => {
    const before = await rendered()
    const file = join(example, 'migrations', 'v002_paid.sql')
    await writeFile(file, '-- migrate:up\nALTER TABLE orders ADD COLUMN paid INTEGER;\n')
    const after = await rendered()
    await rm(file)
    const { data } = named(after, 'ConfigMap', 'shop-migrations')
    expect(Object.keys(data)).toEqual(expect.arrayContaining(['v001_orders.sql', 'v002_paid.sql']))
    expect(data['v001_orders.sql']).toBe(await readFile(join(example, 'migrations', 'v001_orders.sql'), 'utf8'))
    expect(envOf(podOf(after).initContainers[0])['MIGRATIONS_CHECKSUM']).not.toBe(
      envOf(podOf(before).initContainers[0])['MIGRATIONS_CHECKSUM'],
    )
  })

  test.each([
    ['configMap=theirs', { configMap: { name: 'theirs' } }],
    ['image=registry/migrations:3', { image: { reference: 'registry/migrations:3', pullPolicy: 'IfNotPresent' } }],
  ])('are where they are said to be (%s)', async (value, source) => {
    const manifests = await rendered('lockkeeper.migrations.files=', `lockkeeper.migrations.${value}`)
    const pod = podOf(manifests)
    expect(pod.volumes).toContainEqual({ name: 'lockkeeper-migrations', ...source })
    expect(pod.initContainers[0].volumeMounts).toContainEqual(expect.objectContaining({ mountPath: '/migrations' }))
    expect(named(manifests, 'ConfigMap', 'shop-migrations')).toBeUndefined()
    expect(envOf(pod.initContainers[0])).not.toHaveProperty('MIGRATIONS_CHECKSUM')
  })

  test('are in the image where nothing is said', async () => {
    const pod = podOf(await rendered('lockkeeper.migrations.files='))
    expect(JSON.stringify(pod)).not.toContain('igrations')
  })

  test('in folders are put back to where they were, and are no migrations for who takes the ConfigMap as it is', async () => {
    const manifests = await rendered()
    const [key, ...more] = Object.keys(named(manifests, 'ConfigMap', 'shop-migrations').data).filter(
      name => name !== 'v001_orders.sql',
    )
    expect(more).toEqual([])
    expect(key).toMatch(/^checks__what\.sql\.nested$/)
    const { configMap } = podOf(manifests).volumes.find(({ name }: Manifest) => name === 'lockkeeper-migrations')
    expect(configMap.items).toEqual([
      { key, path: 'checks/what.sql' },
      { key: 'v001_orders.sql', path: 'v001_orders.sql' },
    ])
    const flat = await rendered('lockkeeper.migrations.files=migrations/*')
    expect(podOf(flat).volumes).toContainEqual({
      name: 'lockkeeper-migrations',
      configMap: { name: 'shop-migrations' },
    })
  })

  test('that a ConfigMap cannot take are refused', async () => {
    const wrong = join(example, 'migrations', 'v002 pay.sql')
    await writeFile(wrong, 'SELECT 1;')
    expect(await refusal(example, ...needed)).toContain('a ConfigMap cannot have a file with the name v002 pay.sql')
    await rm(wrong)
    const large = join(example, 'migrations', 'v002_large.sql')
    await writeFile(large, `-- ${'x'.repeat(1_000_000)}`)
    expect(await refusal(example, ...needed)).toContain('put them into an image')
    await rm(large)
    expect(await refusal(example, ...needed, 'lockkeeper.migrations.files=sql/*')).toContain(
      'no file of the chart is called sql/*',
    )
  })
})

describe('sidecars', () => {
  test('answer for the database, and back it up from inside the pod, where that is switched on', async () => {
    const pod = podOf(await rendered('lockkeeper.status.enabled=true', 'lockkeeper.schedule.enabled=true'))
    expect(pod.initContainers.map(({ name }: Manifest) => name)).toEqual([
      'lockkeeper',
      'lockkeeper-status',
      'lockkeeper-schedule',
    ])
    const [, status, schedule] = pod.initContainers
    expect(status).toMatchObject({
      args: ['serve'],
      restartPolicy: 'Always',
      ports: [{ name: 'lockkeeper', containerPort: 9375 }],
      livenessProbe: { httpGet: { path: '/healthz', port: 'lockkeeper' } },
      resources: { limits: { memory: '256Mi' } },
    })
    expect(envOf(status)).toMatchObject({ LOCKKEEPER_LISTEN: '0.0.0.0:9375', DATABASE_URL: '/data/orders.db' })
    expect(schedule).toMatchObject({ args: ['schedule'], restartPolicy: 'Always' })
    expect(schedule).not.toHaveProperty('ports')
    for (const { securityContext, volumeMounts } of [status, schedule]) {
      expect(securityContext).toEqual(lockedDown)
      expect(volumeMounts[0]).toEqual({ name: 'data', mountPath: '/data' })
    }
  })

  test('listen where they are told to', async () => {
    const [, status] = podOf(
      await rendered('lockkeeper.status.enabled=true', 'lockkeeper.status.listen=[::]:80'),
    ).initContainers
    expect(status.ports[0].containerPort).toBe(80)
    expect(envOf(status)['LOCKKEEPER_LISTEN']).toBe('[::]:80')
  })
})

describe('values', () => {
  test.each([
    ['lockkeeper.repository=', 'set lockkeeper.repository to where backups are kept'],
    ['lockkeeper.database.url=', 'set lockkeeper.database.url to the DATABASE_URL'],
    ['lockkeeper.user.uid=null', 'set lockkeeper.user.uid and gid to those of your application'],
    ['lockkeeper.migrations.configMap=theirs', 'set one of lockkeeper.migrations.files, configMap and image'],
    [
      'lockkeeper.settings.AWS_SECRET_ACCESS_KEY=x',
      'lockkeeper.settings.AWS_SECRET_ACCESS_KEY is no place for a secret',
    ],
    [
      'lockkeeper.extraEnv[0].name=DB_PASSWORD,lockkeeper.extraEnv[0].value=x',
      'the entry DB_PASSWORD of lockkeeper.extraEnv is no place for a secret',
    ],
    ['lockkeeper.settings.LOCKKEEPER_TMPDIR=/x', 'LOCKKEEPER_TMPDIR follows from another value'],
    ['lockkeeper.extraEnv[0].name=DATABASE_URL', 'DATABASE_URL follows from another value'],
    ['lockkeeper.settings.A=1,lockkeeper.extraEnv[0].name=A', 'A is in lockkeeper.settings and in lockkeeper.extraEnv'],
    ['replicas=2', 'SQLite has one writer; set replicas to 1'],
    ['strategy=RollingUpdate', 'set strategy to Recreate'],
  ])('that do not go together (%s) fail with a sentence', async (value, sentence) => {
    expect(await refusal(example, ...needed, value)).toContain(sentence)
  })

  test('may leave the repository out where no backup is meant', async () => {
    const manifests = await render(example, 'lockkeeper.settings.LOCKKEEPER_NO_BACKUP=true')
    const env = envOf(podOf(manifests).initContainers[0])
    expect(env).toMatchObject({ LOCKKEEPER_NO_BACKUP: 'true' })
    expect(env).not.toHaveProperty('LOCKKEEPER_REPOSITORY')
  })

  test('may be a path to a secret, and numbers as they are written', async () => {
    const settings = {
      AWS_WEB_IDENTITY_TOKEN_FILE: '/var/token',
      LARGE: 12_345_678,
      HALF: 0.5,
      NONE: 0,
      OFF: false,
      TEXT: 'say "a\\b"',
    }
    const env = envOf(podOf(await rendered({ 'lockkeeper.settings': settings })).initContainers[0])
    expect(env).toMatchObject({ ...settings, LARGE: '12345678', HALF: '0.5', NONE: '0', OFF: 'false' })
  })

  test.each([
    'lockkeeper.repositroy=x',
    'lockkeeper.claimName=x',
    'replica=1',
    'lockkeeper.status.listen=everywhere',
    'lockkeeper.scratchSize=2',
    'lockkeeper.user.seLinuxChangePolicy=Sometimes',
    'lockkeeper.settings.lower=x',
  ])('that the schema does not know or allow (%s) are refused', async value => {
    expect(await refusal(example, ...needed, value)).toContain(unknownToTheSchema)
  })
})

test.each([
  ['without the alias', 'Chart.yaml', '    alias: lockkeeper\n', ''],
  [
    'without the root',
    'templates/deployment.yaml',
    '"lockkeeper.podSecurityContext" .',
    '"lockkeeper.podSecurityContext" .Values',
  ],
])('a chart that has the library %s is told what is missing', async (_, file, old, fresh) => {
  const wrong = join(folder, 'wrong')
  await cp(example, wrong, { recursive: true })
  const text = await readFile(join(wrong, file), 'utf8')
  expect(text).toContain(old)
  await writeFile(join(wrong, file), text.replace(old, fresh))
  // It would refuse values under another name first.
  await rm(join(wrong, 'values.schema.json'))
  expect(await refusal(wrong, ...needed)).toContain('has the dependency lockkeeper-library with alias: lockkeeper')
  await rm(wrong, { recursive: true })
})
