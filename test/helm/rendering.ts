/** Charts as Helm renders them. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { type CommandError, run } from '../environment/command.ts'
import { kubernetesProgram } from '../environment/helm.ts'

// biome-ignore lint/suspicious/noExplicitAny: what Kubernetes takes has no types here
export type Manifest = any

const charts = fileURLToPath(new URL('../../helm/', import.meta.url))
/** The chart `lockkeeper`, from where it is: nothing has to be fetched or built. */
export const jobsChart = join(charts, 'lockkeeper')
/** What has no default in it. */
export const needed = [
  'lockkeeper.repository=s3://backups/app',
  'lockkeeper.existingSecret=s3-credentials',
  'lockkeeper.database.url=/data/app.db',
  'lockkeeper.user.uid=10001',
  'lockkeeper.user.gid=10002',
  'claimName=data-app-0',
  'colocate.matchLabels.app=app',
]

export async function helm(...args: readonly string[]): Promise<string> {
  return run(await kubernetesProgram('helm'), args)
}

/** Copies the charts; the example has its dependency as a user would have it. @returns the example's folder */
export async function buildExample(folder: string): Promise<string> {
  await cp(charts, folder, { recursive: true, verbatimSymlinks: true })
  const example = join(folder, 'examples', 'app')
  await helm('dependency', 'build', example)
  return example
}

/** `--set` where a text is given, `--set-json` for the rest. */
export function setting(values: readonly (string | Readonly<Record<string, unknown>>)[]): string[] {
  return values.flatMap(value =>
    typeof value === 'string'
      ? ['--set', value]
      : Object.entries(value).flatMap(([name, json]) => ['--set-json', `${name}=${JSON.stringify(json)}`]),
  )
}

export async function render(chart: string, ...values: Parameters<typeof setting>[0]): Promise<Manifest[]> {
  const text = await helm('template', 'shop', chart, '--namespace', 'shops', ...setting(values))
  return parseAllDocuments(text).flatMap(document => {
    if (document.errors.length > 0) throw document.errors[0]
    // Go writes a large number as a float; YAML here would read it, the API server does not.
    const float = /: [\d.]+e\+\d+$/m.exec(document.toString())?.[0]
    if (float !== undefined) throw new Error(`a float: ${float}`)
    return document.toJSON() ?? []
  })
}

/** What Helm says instead of rendering. */
export function refusal(chart: string, ...values: Parameters<typeof setting>[0]): Promise<string> {
  return render(chart, ...values).then(
    () => 'it was rendered',
    (error: CommandError) => error.stderr,
  )
}

export const unknownToTheSchema = "values don't meet the specifications of the schema"

export function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  return manifests.find(manifest => manifest.kind === kind && manifest.metadata.name === name)
}

/** The environment of a container: values, and what others are taken from. */
export function envOf(container: Manifest): Record<string, unknown> {
  const names = container.env.map(({ name }: Manifest) => name)
  // Applied on the server's side, a list with a name twice is refused.
  if (new Set(names).size < names.length) throw new Error(`a name twice: ${names}`)
  return Object.fromEntries(
    container.env.map(({ name, value, valueFrom }: Manifest) => [
      name,
      value ?? valueFrom.fieldRef?.fieldPath ?? valueFrom,
    ]),
  )
}

export const lockedDown = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}
