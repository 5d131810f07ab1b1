/** The README of the Helm chart, from the comments in its `values.yaml`. */
import { readFileSync } from 'node:fs'
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'

const chart = new URL('../helm/lockkeeper/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, chart), 'utf8')

export function chartPage(): string {
  const { contents } = parseDocument(read('values.yaml'))
  const rows = isMap(contents) ? rowsOf(contents, '') : []
  return `# The chart lockkeeper

${/^description: (.*)$/m.exec(read('Chart.yaml'))?.[1]}.
The table is made from the comments in \`values.yaml\` by \`npm run docs\`.

\`\`\`
helm install backups helm/lockkeeper \\
  --set repository=s3://backups/app --set existingSecret=s3-credentials \\
  --set database.url=/data/app.db --set database.claimName=data-app-0 \\
  --set user.uid=10001 --set user.gid=10001 --set colocate.matchLabels.app=app
\`\`\`

[docs/kubernetes.md](../../docs/kubernetes.md) explains what it makes, and how your own chart takes its init container.

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
    return [`| \`${name}\` | \`${JSON.stringify(isMap(item.value) ? {} : plain(item.value))}\` | ${says} |`]
  })
}

function plain(node: unknown): unknown {
  return isScalar(node) ? node.value : []
}
