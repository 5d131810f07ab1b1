/**
 * Metrics as Prometheus reads them: its text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */

export interface Gauge {
  readonly name: string
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * A gauge without a sample is left out.
 * @param redact takes secrets out of the values of labels; names and numbers have none, and would be no metrics without them
 */
export function exposition(gauges: readonly Gauge[], redact: (text: string) => string = text => text): string {
  return gauges
    .filter(({ samples }) => samples.length > 0)
    .map(({ help, name, samples }) => {
      const lines = samples.map(({ labels = {}, value }) => `${name}${labelsOf(labels, redact)} ${value}\n`)
      return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} gauge\n${lines.join('')}`
    })
    .join('')
}

function labelsOf(labels: Readonly<Record<string, string>>, redact: (text: string) => string): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(redact(value)).replaceAll('"', '\\"')}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
