/**
 * Bundles the program into `dist/`: one file for each entry and lazily loaded chunks beside them, all in one folder,
 * so that a file is found beside its caller both here and in `src/` (see `src/database/child-process.ts`).
 */
import { copyFile, rm } from 'node:fs/promises'
import { build as bundle } from 'esbuild'

const root = new URL('../', import.meta.url)

/** What CommonJS dependencies use and an ES module does not have. */
const forCommonJs =
  [
    "import { createRequire as __createRequire } from 'node:module'",
    'const require = __createRequire(import.meta.url)',
    'const __dirname = import.meta.dirname',
  ].join(';') + ';'

export async function build(): Promise<void> {
  await rm(new URL('dist/', root), { recursive: true, force: true })
  await bundle({
    absWorkingDir: decodeURIComponent(root.pathname),
    entryPoints: ['src/cli.ts', 'src/index.ts', 'src/database/child.ts', 'src/sandbox/worker.ts'],
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
    logLevel: 'warning',
    banner: { js: forCommonJs },
  })
  // The sandbox's SQLite, which its loader looks for beside itself.
  await copyFile(
    new URL('node_modules/node-sqlite3-wasm/dist/node-sqlite3-wasm.wasm', root),
    new URL('dist/node-sqlite3-wasm.wasm', root),
  )
}

if (import.meta.main) await build()
