/** The PrometheusRule of the chart `lockkeeper`. */
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { patience } from '../environment/ask.ts'
import { kubernetesProgram } from '../environment/helm.ts'
import { jobsChart as chart, type Manifest, named, needed, render } from './rendering.ts'

beforeAll(() => kubernetesProgram('helm'), patience)

/** Of kube-state-metrics, with the labels that it gives them (its docs/metrics/workload). */
const known: Readonly<Record<string, readonly string[]>> = {
  kube_cronjob_created: ['namespace', 'cronjob'],
  kube_cronjob_status_last_successful_time: ['namespace', 'cronjob'],
  kube_job_created: ['namespace', 'job_name'],
  kube_job_failed: ['namespace', 'job_name', 'condition'],
  kube_job_owner: ['namespace', 'job_name', 'owner_kind', 'owner_name', 'owner_is_controller'],
  kube_pod_init_container_status_waiting_reason: ['namespace', 'pod', 'uid', 'container', 'reason'],
}

async function rulesWith(...values: string[]): Promise<Manifest[]> {
  const manifests = await render(chart, ...needed, 'alerts.enabled=true', ...values)
  const [group, ...more] = named(manifests, 'PrometheusRule', 'shop-lockkeeper').spec.groups
  expect(more).toEqual([])
  expect(group.name).toBe('shop-lockkeeper')
  return group.rules
}

test('it is not there by default', async () => {
  expect((await render(chart, ...needed)).filter(({ kind }) => kind === 'PrometheusRule')).toEqual([])
})

test('it has the labels by which Prometheus finds it, and each alert those that route it', async () => {
  const values = ['alerts.enabled=true', 'alerts.labels.release=prometheus', 'alerts.alertLabels.severity=critical']
  const rule = named(await render(chart, ...needed, ...values), 'PrometheusRule', 'shop-lockkeeper')
  expect(rule.metadata).toMatchObject({ namespace: 'shops', labels: { release: 'prometheus' } })
  for (const { labels } of rule.spec.groups[0].rules) expect(labels).toEqual({ severity: 'critical' })
})

test('every CronJob that is switched on has an alert of its own age, and those that are not have none', async () => {
  const rules = await rulesWith('drill.enabled=true', 'backups.weekly.enabled=false', 'alerts.maxAgeHours.daily=26')
  const old = rules.filter(({ alert }) => alert === 'LockkeeperTooOld')
  const ages = old.map(({ expr }) => [
    /cronjob="shop-lockkeeper-([^"]+)"/.exec(expr)?.[1],
    / > (\d+) \* 3600$/.exec(expr)?.[1],
  ])
  expect(Object.fromEntries(ages)).toEqual({
    'backup-daily': '26',
    'backup-monthly': '770',
    drill: '770',
    prune: '78',
    verify: '180',
  })
  const all = 'shop-lockkeeper-(backup-daily|backup-monthly|prune|verify|drill)'
  const [failed] = rules.filter(({ alert }) => alert === 'LockkeeperJobFailed')
  expect(failed.expr).toContain(`owner_name=~"${all}"`)
  const [gone] = rules.filter(({ alert }) => alert === 'LockkeeperNotWatched')
  expect(gone.expr).toBe(`absent(kube_cronjob_created{namespace="shops", cronjob=~"${all}"})`)
})

test('a one-off Job has one, by the name that it has', async () => {
  const named = (rules: Manifest[]) => rules.filter(({ alert }) => alert === 'LockkeeperOneOffJobFailed')
  expect(named(await rulesWith())).toEqual([])
  const [rule] = named(await rulesWith('job.enabled=true', 'job.name=again'))
  expect(rule.expr).toContain('job_name=~"shop-lockkeeper-again-[0-9a-f]{8}"')
})

test('they ask for metrics and labels that kube-state-metrics has, of this namespace alone', async () => {
  const rules = await rulesWith('job.enabled=true')
  const asked = rules.flatMap(({ expr }) => [...expr.matchAll(/\b(kube_\w+)(?:\{([^}]*)\})?/g)])
  expect(new Set(asked.map(([, metric]) => metric))).toEqual(new Set(Object.keys(known)))
  for (const [, metric, matchers = ''] of asked) {
    expect(matchers).toMatch(/^namespace="shops"/)
    for (const [, label] of matchers.matchAll(/(\w+)=~?"/g)) expect(known[metric]).toContain(label)
  }
  for (const { annotations, expr } of rules) {
    const [, kept] = /by \(([^)]*)\)/.exec(expr) ?? []
    const shown = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    if (kept !== undefined) for (const label of shown) expect(kept.split(', ')).toContain(label)
  }
})

test('those on lockkeeper serve are the ones of docs/monitoring.md, of this namespace', async () => {
  const page = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8')
  const [, yaml = ''] = /\n## Alerts\n[\s\S]*?```yaml\n([\s\S]*?)```/.exec(page) ?? []
  const documented = parse(yaml).spec.groups[0].rules
  const rendered = (await rulesWith('alerts.status=true')).filter(({ expr }) => expr.includes('lockkeeper_'))
  const everywhere = rendered.map(({ labels, expr, ...rest }) => {
    expect(expr.match(/lockkeeper_\w+/g)).toHaveLength(expr.match(/lockkeeper_\w+\{namespace="shops"/g).length)
    return { ...rest, expr: expr.replaceAll('{namespace="shops"}', '').replaceAll('namespace="shops", ', '') }
  })
  expect(everywhere).toEqual(documented)
  expect((await rulesWith()).filter(({ expr }) => expr.includes('lockkeeper_'))).toEqual([])
})
