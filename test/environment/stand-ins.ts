/**
 * Images built from what Debian, npm and Go offer, for machines that reach those but no image registry. Each is found
 * under the name of the image that it stands in for, and says what it is in a label.
 */
import { chmod, chown, copyFile, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { install } from './apt.ts'
import { programsNamed, run } from './command.ts'
import { docker, type Engine } from './docker.ts'
import { type GoProgram, goProgram } from './go-programs.ts'

export interface StandIn {
  readonly madeOf: string
  /** Images that have to be there first. */
  readonly needs: readonly string[]
  make(engine: Engine, name: string): Promise<void>
}

/** The label of an image that stands in for another. */
export const standInLabel = 'lockkeeper.stand-in'

const debian = 'debian:bookworm-slim'
const caBundle = '/etc/ssl/certs/ca-certificates.crt'

/** Undefined where there is none. */
export function standInFor(name: string): StandIn | undefined {
  return standIns.find(({ image }) => image.test(name))?.standIn
}

const standIns: readonly { readonly image: RegExp; readonly standIn: StandIn }[] = [
  {
    image: /^debian:bookworm-slim$/,
    standIn: { madeOf: 'debootstrap', needs: [], make: debianImage },
  },
  {
    image: /^node:24[.\d]*-bookworm-slim$/,
    standIn: {
      madeOf: `${debian}, Node ${process.versions.node} and npm of this machine`,
      needs: [debian],
      make: nodeImage,
    },
  },
  {
    image: /^gcr\.io\/distroless\/nodejs24-debian\d+:nonroot$/,
    standIn: {
      madeOf: `Node ${process.versions.node} of this machine and its libraries`,
      needs: [],
      make: distrolessImage,
    },
  },
  { image: /^versity\/versitygw:/, standIn: goImage('versitygw') },
  { image: /^quay\.io\/minio\/minio:/, standIn: goImage('minio') },
]

async function debianImage(engine: Engine, name: string): Promise<void> {
  if ((await programsNamed('debootstrap')).length === 0) await install(['debootstrap'])
  await withTree(async tree => {
    await run('debootstrap', ['--variant=minbase', 'bookworm', tree])
    await importTree(engine, tree, name, 'debootstrap', ['CMD ["bash"]'])
  })
}

async function nodeImage(engine: Engine, name: string): Promise<void> {
  await withTree(async tree => {
    const [npm] = await programsNamed('npm')
    if (npm === undefined) throw new Error('The tests need npm: please install it.')
    const npmFolder = dirname(dirname(await realpath(npm)))
    const [bin, modules] = [join(tree, 'usr/local/bin'), join(tree, 'usr/local/lib/node_modules')]
    await mkdir(bin, { recursive: true })
    await copyFile(process.execPath, join(bin, 'node'))
    await cp(npmFolder, join(modules, 'npm'), { recursive: true })
    for (const program of ['npm', 'npx'])
      await symlink(`../lib/node_modules/npm/bin/${program}-cli.js`, join(bin, program))
    await buildTree(engine, tree, name, [`FROM ${debian}`, 'COPY usr /usr', 'CMD ["node"]', label('Node and npm')])
  })
}

async function distrolessImage(engine: Engine, name: string): Promise<void> {
  await withTree(async tree => {
    await mkdir(join(tree, 'nodejs/bin'), { recursive: true })
    await copyFile(process.execPath, join(tree, 'nodejs/bin/node'))
    for (const library of await librariesOf(process.execPath)) await copyInto(tree, library)
    await copyInto(tree, caBundle)
    await writeFile(
      join(tree, 'etc/passwd'),
      'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
    )
    await writeFile(join(tree, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n')
    await mkdir(join(tree, 'tmp'))
    await chmod(join(tree, 'tmp'), 0o1777)
    await mkdir(join(tree, 'home/nonroot'), { recursive: true })
    await chmod(join(tree, 'home/nonroot'), 0o700)
    await chown(join(tree, 'home/nonroot'), 65532, 65532)
    await importTree(engine, tree, name, 'Node and its libraries', [
      'ENTRYPOINT ["/nodejs/bin/node"]',
      'USER 65532',
      'WORKDIR /home/nonroot',
      `ENV SSL_CERT_FILE=${caBundle}`,
    ])
  })
}

function goImage(program: GoProgram): StandIn {
  return {
    madeOf: 'go install',
    needs: [],
    make: async (engine, name) => {
      const path = await goProgram(program)
      await withTree(async tree => {
        await mkdir(join(tree, 'data'))
        await mkdir(join(tree, 'tmp'))
        await chmod(join(tree, 'tmp'), 0o1777)
        await copyInto(tree, caBundle)
        await copyFile(path, join(tree, program))
        await importTree(engine, tree, name, 'go install', [`ENTRYPOINT ["/${program}"]`])
      })
    },
  }
}

/** The files that the dynamic linker loads for a program. */
async function librariesOf(program: string): Promise<string[]> {
  const lines = (await run('ldd', [program])).split('\n')
  return lines.flatMap(line => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

/** A copy of what is at that path, at the same path of the tree. */
async function copyInto(tree: string, path: string): Promise<void> {
  await mkdir(join(tree, dirname(path)), { recursive: true })
  await copyFile(path, join(tree, path))
}

async function withTree(work: (tree: string) => Promise<void>): Promise<void> {
  const tree = await mkdtemp(join(tmpdir(), 'lockkeeper-stand-in-'))
  await chmod(tree, 0o755)
  try {
    await work(tree)
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

/** One layer from a folder, and Dockerfile instructions for its configuration. */
async function importTree(engine: Engine, tree: string, name: string, madeOf: string, changes: readonly string[]) {
  const archive = `${tree}.tar`
  try {
    await run('tar', ['--numeric-owner', '--sort=name', '-C', tree, '-cf', archive, '.'])
    const options = [...changes, label(madeOf)].flatMap(change => ['--change', change])
    await docker(engine, ['import', ...options, archive, name])
  } finally {
    await rm(archive, { force: true })
  }
}

async function buildTree(engine: Engine, tree: string, name: string, dockerfile: readonly string[]): Promise<void> {
  await writeFile(join(tree, 'Dockerfile'), `${dockerfile.join('\n')}\n`)
  await docker(engine, ['build', '--quiet', '--tag', name, tree])
}

function label(madeOf: string): string {
  return `LABEL ${standInLabel}="${madeOf}"`
}
