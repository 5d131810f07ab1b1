/**
 * Bundles the program into `dist/`: one file for each entry and lazily loaded chunks beside them, all in one folder,
 * so that a file is found beside its caller both here and in `src/` (see `src/database/child-process.ts`).
 */
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build as bundle, type Metafile } from 'esbuild'
import { withoutFacades } from './builtins.ts'
import { mergeCore } from './core.ts'

const root = new URL('../', import.meta.url)
const dist = new URL('dist/', root)

/** What CommonJS dependencies use and an ES module does not have. */
const requireForCommonJs =
  "const require = name => process.getBuiltinModule(name) ?? process.getBuiltinModule('node:module').createRequire(import.meta.url)(name);"

const options = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  sourcemap: true,
  sourcesContent: false,
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning',
} as const satisfies BuildOptions

/** Each by itself: what they had in common would be cut into many small chunks, and each file that is loaded costs time. */
const programs = {
  cli: ['src/cli.ts'],
  index: ['src/index.ts'],
  child: ['src/database/child.ts', 'src/sandbox/worker.ts'],
}

export async function build(): Promise<void> {
  await rm(dist, { recursive: true, force: true })
  const inputs = new Set<string>()
  for (const [name, entries] of Object.entries(programs)) {
    const metafile = await bundleOf(name, entries)
    for (const input of Object.keys(metafile.inputs)) inputs.add(input)
    if (name === 'cli') await mergeCore(dist, 'cli.js', metafile, options)
  }
  // The sandbox's SQLite, which its loader looks for beside itself.
  const wasm = 'node-sqlite3-wasm.wasm'
  await copyFile(new URL(`node_modules/node-sqlite3-wasm/dist/${wasm}`, root), new URL(wasm, dist))
  await writeFile(new URL('LICENSES.txt', dist), await licences([...inputs]))
}

/** @param name of the program, so that no chunk is taken for one of another program that has the same content */
async function bundleOf(name: string, entryPoints: string[]): Promise<Metafile> {
  const { metafile } = await bundle({
    ...options,
    absWorkingDir: fileURLToPath(root),
    entryPoints,
    outdir: 'dist',
    entryNames: '[name]',
    chunkNames: `${name}-[name]-[hash]`,
    splitting: true,
    metafile: true,
    banner: { js: requireForCommonJs },
    define: { __dirname: 'import.meta.dirname' },
    plugins: [withoutFacades],
  })
  return metafile
}

/** The licences of every package of which something was bundled. */
async function licences(inputs: readonly string[]): Promise<string> {
  const packages = new Set(inputs.flatMap(input => input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []))
  const texts = await Promise.all([...packages].toSorted().map(licenceOf))
  return `This program contains the following packages.\n\n${texts.join('\n')}`
}

async function licenceOf(folder: string): Promise<string> {
  const at = (name: string) => new URL(`${folder}/${name}`, root)
  const { name, version, license } = JSON.parse(await readFile(at('package.json'), 'utf8')) as Record<string, unknown>
  const file = (await readdir(at(''))).find(entry => /^(licen[cs]e|copying)/i.test(entry))
  const text = file === undefined ? '' : await readFile(at(file), 'utf8')
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text.trim()}\n`
}

if (import.meta.main) await build()
