/** Images out of folders that look like a root file system. */
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from './command.ts'
import { docker, type Engine } from './docker.ts'

/** Gives `work` an empty folder, which is gone afterwards. */
export async function withTree(work: (tree: string) => Promise<void>): Promise<void> {
  const tree = await mkdtemp(join(tmpdir(), 'lockkeeper-tree-'))
  await chmod(tree, 0o755)
  try {
    await work(tree)
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

/** A copy of what is at that path of this machine, at the same path of the tree; a link is followed. */
export async function copyInto(tree: string, path: string): Promise<void> {
  await mkdir(join(tree, dirname(path)), { recursive: true })
  await copyFile(path, join(tree, path))
}

/** A folder in which every user may write. */
export async function temporaryFolder(tree: string): Promise<void> {
  await mkdir(join(tree, 'tmp'))
  await chmod(join(tree, 'tmp'), 0o1777)
}

/** The files that the dynamic linker loads for a program. */
export async function librariesOf(program: string): Promise<string[]> {
  const lines = (await run('ldd', [program])).split('\n')
  return lines.flatMap(line => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

/** One layer from the tree; the configuration in the words of a Dockerfile. */
export async function importTree(
  engine: Engine,
  tree: string,
  name: string,
  configuration: readonly string[],
): Promise<void> {
  const archive = `${tree}.tar`
  try {
    await run('tar', ['--numeric-owner', '--sort=name', '-C', tree, '-cf', archive, '.'])
    const changes = configuration.flatMap(change => ['--change', change])
    await docker(engine, ['import', ...changes, archive, name])
  } finally {
    await rm(archive, { force: true })
  }
}

/** An image by a Dockerfile whose context is the tree. */
export async function buildTree(
  engine: Engine,
  tree: string,
  name: string,
  dockerfile: readonly string[],
): Promise<void> {
  await writeFile(join(tree, 'Dockerfile'), `${dockerfile.join('\n')}\n`)
  await docker(engine, ['build', '--quiet', '--tag', name, tree])
}
