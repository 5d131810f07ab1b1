import { expect, test } from 'vitest'
import { exposition } from '../../src/report/exposition.ts'

test('gauges in the text format of Prometheus', () => {
  const gauges = [
    { name: 'app_bytes', help: 'Size.', samples: [{ value: 4096 }] },
    {
      name: 'app_info',
      help: 'A help with a \\ and\na second line.',
      samples: [{ labels: { level: 'v001 "first"\\\nnext', state: '' }, value: 1 }],
    },
    { name: 'app_nothing', help: 'No sample.', samples: [] },
    { name: 'app_time', help: 'Two.', samples: [{ labels: { tier: 'daily' }, value: 1.5 }, { value: Number.NaN }] },
  ]
  expect(exposition(gauges)).toBe(
    [
      '# HELP app_bytes Size.',
      '# TYPE app_bytes gauge',
      'app_bytes 4096',
      '# HELP app_info A help with a \\\\ and\\na second line.',
      '# TYPE app_info gauge',
      'app_info{level="v001 \\"first\\"\\\\\\nnext",state=""} 1',
      '# HELP app_time Two.',
      '# TYPE app_time gauge',
      'app_time{tier="daily"} 1.5',
      'app_time NaN',
      '',
    ].join('\n'),
  )
})
