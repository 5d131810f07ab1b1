/** The page about monitoring names the metrics and the paths that there are, and no others. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { metrics } from '../../src/serve/metrics.ts'

const page = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8')
const [, table = '', alerts = ''] = /\n## Metrics\n([\s\S]*)\n## Alerts\n([\s\S]*)/.exec(page) ?? []

test('every metric stands in the table, with its labels', () => {
  const documented = [...table.matchAll(/^\| `(lockkeeper_\w+)(?:\{([\w,]+)\})?` \|/gm)]
  const known = Object.entries(metrics).map(([name, { labels }]) => [name, labels.join(',')])
  expect(documented.map(([, name, labels = '']) => [name, labels])).toEqual(known)
})

test('alerts ask for metrics that there are', () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(alerts) ?? []
  const rules = parse(yaml).spec.groups.flatMap((group: { rules: { expr: string }[] }) => group.rules)
  const asked = rules.flatMap(({ expr }: { expr: string }) => expr.match(/lockkeeper_\w+/g) ?? [])
  expect(asked.length).toBeGreaterThanOrEqual(rules.length)
  expect(asked.filter((name: string) => !Object.hasOwn(metrics, name))).toEqual([])
})
