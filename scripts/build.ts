/**
 * Bundles the program into `dist/`: one file for each entry and lazily loaded chunks beside them, all in one folder,
 * so that a file is found beside its caller both here and in `src/` (see `src/database/child-process.ts`).
 */
import { rm } from 'node:fs/promises'
import { build as bundle } from 'esbuild'

const root = new URL('../', import.meta.url)

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
    // CommonJS dependencies call require(), which an ES module does not have.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
  })
}

if (import.meta.main) await build()
