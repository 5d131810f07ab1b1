/**
 * What the program loads at every start, in one file. A bundler cuts what lazily loaded parts have in common into many
 * small chunks, and each file that is loaded takes half a millisecond. Names are short in it, which saves as much again.
 */
import { rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build as bundle, type Metafile, type Plugin } from 'esbuild'
import packageJson from '../package.json' with { type: 'json' }

/**
 * Puts all chunks that an entry imports into it. In place of the chunks stay files that pass on what is now in there, for
 * the parts that are loaded later.
 * @param folder where the files are
 * @param entry name of the entry's file; it must not await anything at its top level, for what it loads imports it back
 */
export async function mergeCore(
  folder: URL,
  entry: string,
  { outputs }: Metafile,
  options: BuildOptions,
): Promise<void> {
  const byName = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]))
  const chunks = new Set<string>()
  const collect = (name: string): void => {
    for (const { kind, path } of byName.get(name)?.imports ?? []) {
      const chunk = basename(path)
      if (kind !== 'import-statement' || !byName.has(chunk) || chunks.has(chunk)) continue
      chunks.add(chunk)
      collect(chunk)
    }
  }
  collect(entry)
  const passedOn = [...chunks].map((chunk, at) => ({
    chunk,
    names: (byName.get(chunk)?.exports ?? []).map(name => [name, `_${at}_${name}`] as const),
  }))
  const whole = passedOn.map(({ chunk, names }) => exportOf(names, `./${chunk}`))
  await bundle({
    ...options,
    stdin: { contents: [`import './${entry}'`, ...whole].join('\n'), resolveDir: fileURLToPath(folder) },
    outfile: fileURLToPath(new URL(entry, folder)),
    allowOverwrite: true,
    minifyIdentifiers: true,
    // Otherwise all of it would be shown with an error that nobody has caught.
    lineLimit: 160,
    banner: { js: `#!/usr/bin/env node\n${refuseOldNode}` },
    plugins: [laterStaysOutside],
  })
  for (const { chunk, names } of passedOn) {
    const back = names.map(([name, inEntry]) => [inEntry, name] as const)
    await writeFile(new URL(chunk, folder), exportOf(back, `./${entry}`))
    await rm(new URL(`${chunk}.map`, folder))
  }
}

/** What an older Node would say would help nobody: it has no SQLite. */
const refuseOldNode = `if (!process.getBuiltinModule?.('node:sqlite')) {
  console.error('error: lockkeeper needs Node ${packageJson.engines.node}, and this is ' + process.versions.node)
  process.exit(78)
}`

const laterStaysOutside: Plugin = {
  name: 'what is loaded later stays outside',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\// }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    ),
}

function exportOf(names: readonly (readonly [string, string])[], from: string): string {
  return `export { ${names.map(([name, as]) => `${name} as ${as}`).join(', ')} } from '${from}'\n`
}
