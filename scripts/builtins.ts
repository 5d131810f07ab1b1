/**
 * Node's own modules without the facade that an `import` of one makes: that asks for every export, and so loads what
 * Node keeps for later (`import { statSync } from 'node:fs'` loads streams and readline). It costs a run with nothing to
 * do as much time as Node itself takes to start.
 */
import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'

const imported = /^import (?!type\b)\{([^}]*)\} from ('node:[a-z/_]+')$/gm

export const withoutFacades: Plugin = {
  name: 'builtins without facades',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replaceAll(imported, taken),
      loader: 'ts',
    }))
  },
}

/** On as many lines as before, so that the source map still fits. */
function taken(statement: string, list: string, module: string): string {
  const names = list
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  const types = names.filter(name => name.startsWith('type '))
  const values = names.filter(name => !types.includes(name)).map(name => name.replace(' as ', ': '))
  const type =
    types.length === 0 ? '' : `; import type { ${types.map(name => name.slice(5)).join(', ')} } from ${module}`
  const lines = '\n'.repeat(statement.split('\n').length - 1)
  return `const { ${values.join(', ')} } = process.getBuiltinModule(${module})${type}${lines}`
}
