/**
 * Bundles the program into `dist/`: one file for each entry and lazily loaded chunks beside them, all in one folder,
 * so that a file is found beside its caller both here and in `src/` (see `src/database/child-process.ts`).
 */
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build as bundle } from 'esbuild'

const root = new URL('../', import.meta.url)

/** What CommonJS dependencies use and an ES module does not have. */
const forCommonJs = [
  "import { createRequire as __createRequire } from 'node:module'",
  'const require = __createRequire(import.meta.url)',
  'const __dirname = import.meta.dirname',
]

export async function build(): Promise<void> {
  await rm(new URL('dist/', root), { recursive: true, force: true })
  const inputs = new Set<string>()
  for (const entries of programs) for (const input of await bundleOf(entries)) inputs.add(input)
  // The sandbox's SQLite, which its loader looks for beside itself.
  const wasm = 'node-sqlite3-wasm.wasm'
  await copyFile(new URL(`node_modules/node-sqlite3-wasm/dist/${wasm}`, root), new URL(`dist/${wasm}`, root))
  await writeFile(new URL('dist/LICENSES.txt', root), await licences([...inputs]))
}

/** Each by itself: what they had in common would be cut into many small chunks, and each file that is loaded costs time. */
const programs = [['src/cli.ts'], ['src/index.ts'], ['src/database/child.ts', 'src/sandbox/worker.ts']]

/** @returns the files that went in */
async function bundleOf(entryPoints: string[]): Promise<string[]> {
  const { metafile } = await bundle({
    absWorkingDir: fileURLToPath(root),
    entryPoints,
    outdir: 'dist',
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: true,
    sourcesContent: false,
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
    logLevel: 'warning',
    banner: { js: `${forCommonJs.join(';')};` },
  })
  return Object.keys(metafile.inputs)
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
