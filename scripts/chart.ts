/** The READMEs of the Helm charts, from the comments in their `values.yaml`. */
import { readFileSync } from 'node:fs'
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml'

/** What a README has before its table. */
const introductions = {
  lockkeeper: `\`\`\`
helm install backups helm/lockkeeper \\
  --set lockkeeper.repository=s3://backups/app --set lockkeeper.existingSecret=s3-credentials \\
  --set lockkeeper.database.url=/data/app.db --set claimName=data-app-0 \\
  --set lockkeeper.user.uid=10001 --set lockkeeper.user.gid=10001 --set colocate.matchLabels.app=app
\`\`\`

[docs/kubernetes.md](../../docs/kubernetes.md) explains what it makes. The values under \`lockkeeper\` are those of
[lockkeeper-library](../lockkeeper-library/README.md).`,
  'lockkeeper-library': `A dependency of your own chart, under this alias:

\`\`\`yaml
# Chart.yaml
dependencies:
  - name: lockkeeper-library
    alias: lockkeeper
    version: 0.1.0
    repository: file://../lockkeeper/helm/lockkeeper-library   # or where you have pushed it
\`\`\`

[The example](../examples/app) is a whole chart that has it, and [docs/kubernetes.md](../../docs/kubernetes.md) explains it.

| template | gives |
| --- | --- |
| \`lockkeeper.initContainer\` | the deploy job, first in \`initContainers\` |
| \`lockkeeper.sidecars\` | what is switched on of \`status\` and \`schedule\`, last in \`initContainers\` |
| \`lockkeeper.volumes\` | the volumes of these containers, beside the one with the database, which is yours |
| \`lockkeeper.podSecurityContext\` | the \`securityContext\` of the pod: your application's user |
| \`lockkeeper.securityContext\` | that of a container, for yours as well |
| \`lockkeeper.migrations\` | a ConfigMap of \`migrations.files\` |

Each takes the root: \`{{ include "lockkeeper.initContainer" $ | nindent 8 }}\`. All values stand under \`lockkeeper\`:`,
} as const

/** A chart in `helm/` that has a README. */
export type Chart = keyof typeof introductions
export const charts = Object.keys(introductions) as Chart[]

export function chartPage(name: Chart): string {
  const read = (file: string) => readFileSync(new URL(`../helm/${name}/${file}`, import.meta.url), 'utf8')
  const { contents } = parseDocument(read('values.yaml'))
  const rows = isMap(contents) ? rowsOf(contents, '') : []
  return `# The chart ${name}

${/^description: (.*)$/m.exec(read('Chart.yaml'))?.[1]}.
The table is made from the comments in \`values.yaml\` by \`npm run docs\`.

${introductions[name]}

| value | default | what |
| --- | --- | --- |
${rows.join('\n')}
`
}

/** One line for each value, and one for each group that has something to say. */
function rowsOf(map: YAMLMap, path: string): string[] {
  return map.items.flatMap((item, index) => {
    const key = isScalar(item.key) ? item.key : undefined
    const name = `${path}${key?.value}`
    // What stands before the first entry belongs to the map.
    const comment = (index === 0 ? map.commentBefore : undefined) ?? key?.commentBefore ?? ''
    const says = comment
      .replaceAll(/\s*\n\s*/g, ' ')
      .replaceAll('|', '\\|')
      .trim()
    if (isMap(item.value) && item.value.items.length > 0) {
      const rows = rowsOf(item.value, `${name}.`)
      return says === '' ? rows : [`| \`${name}\` | | ${says} |`, ...rows]
    }
    const value = isNode(item.value) ? item.value.toJSON() : null
    return [`| \`${name}\` | \`${JSON.stringify(value)}\` | ${says} |`]
  })
}
