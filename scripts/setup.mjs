/**
 * Installs the dependencies if they are not there as package-lock.json says. Plain JavaScript for any Node that npm runs
 * on: the version that the project needs is among what this installs.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const stamp = `${root}node_modules/.installed`
const wanted = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.log('Installing the dependencies (npm ci) …')
  const start = performance.now()
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' })
  writeFileSync(stamp, wanted)
  console.log(`Installing the dependencies (npm ci): done (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}
