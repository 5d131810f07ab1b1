/** What the pages say of the charts can be done as they say it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import { buildExample, helm, type Manifest, named, render } from '../helm/rendering.ts'

const pages = ['docs/kubernetes.md', 'helm/lockkeeper/README.md'] as const
const read = (page: string) => readFile(new URL(`../../${page}`, import.meta.url), 'utf8')

let charts: string

beforeAll(async () => {
  charts = await mkdtemp(join(tmpdir(), 'lockkeeper-charts-'))
  await buildExample(charts)
}, patience)

afterAll(() => rm(charts, { recursive: true, force: true }))

describe.each(pages)('%s', page => {
  test('has commands that Helm takes', async () => {
    const installed = new Map<string, string[]>()
    for (const words of commandsIn(await read(page))) {
      const [verb = '', release = '', chart = '', ...more] = words.filter(word => word !== '--dependency-update')
      const reused = more.includes('--reuse-values') ? (installed.get(release) ?? []) : []
      const values = [...reused, ...more.filter(word => word !== '--reuse-values')]
      if (verb === 'install') installed.set(release, values)
      expect(await helm('template', release, chart.replace(/^helm/, charts), ...values)).toContain('kind:')
    }
    expect(installed.size).toBeGreaterThan(0)
  })
})

test('docs/kubernetes.md has all that a chart of your own needs', async () => {
  const chart = join(charts, 'yours')
  await mkdir(join(chart, 'templates'), { recursive: true })
  await mkdir(join(chart, 'migrations'))
  await writeFile(join(chart, 'migrations', 'v001_app.sql'), 'CREATE TABLE app (id INTEGER PRIMARY KEY);')
  const blocks = blocksIn(await read('docs/kubernetes.md'))
  const library = `file://${join(charts, 'lockkeeper-library')}`
  await writeFile(
    join(chart, 'Chart.yaml'),
    `apiVersion: v2\nname: app\nversion: 1.0.0\n${blocks.get('Chart.yaml')?.replace(/file:\S+/, library)}`,
  )
  await writeFile(join(chart, 'values.yaml'), blocks.get('values.yaml') ?? '')
  await writeFile(join(chart, 'templates', 'migrations.yaml'), blocks.get('templates/migrations.yaml') ?? '')
  await writeFile(
    join(chart, 'templates', 'deployment.yaml'),
    `kind: Deployment\nmetadata:\n  name: app\nspec:\n  template:\n${blocks.get('templates/deployment.yaml')}`,
  )
  await helm('dependency', 'build', chart)
  const manifests: Manifest[] = await render(chart)
  const pod = named(manifests, 'Deployment', 'app').spec.template.spec
  expect(pod.securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 1000 })
  expect(pod.initContainers).toHaveLength(1)
  const mounted = pod.initContainers[0].volumeMounts.map(({ name }: Manifest) => name)
  expect(pod.volumes.map(({ name }: Manifest) => name)).toEqual(expect.arrayContaining(mounted))
  expect(named(manifests, 'ConfigMap', 'shop-migrations').data).toHaveProperty(['v001_app.sql'])
})

/** Words of each `helm install` and `helm upgrade`. */
function commandsIn(page: string): string[][] {
  const lines = page.replaceAll(/\\\n\s*/g, '').match(/^helm (?:install|upgrade) .*$/gm) ?? []
  return lines.map(line => line.replaceAll("'", '').split(/\s+/).slice(1))
}

/** YAML under the heading about your own chart, by the file that its first line names. */
function blocksIn(page: string): Map<string, string> {
  const [, section = ''] = /\n### In your application's chart\n([\s\S]*?)\n### /.exec(page) ?? []
  const found = section.matchAll(/```yaml\n# (\S+?\.yaml)[^\n]*\n([\s\S]*?)```/g)
  return new Map([...found].map(([, file = '', text = '']) => [file, text]))
}
