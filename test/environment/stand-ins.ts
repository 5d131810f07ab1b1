/**
 * Images built from what Debian, npm and Go offer, for machines that reach those but no image registry. Each is found
 * under the name of the image that it stands in for, and a label says what it is made of.
 */
import { chmod, chown, copyFile, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { install } from './apt.ts'
import { programsNamed, run } from './command.ts'
import type { Engine } from './docker.ts'
import { type GoProgram, goProgram, moduleOf } from './go-programs.ts'
import { buildTree, copyInto, importTree, librariesOf, temporaryFolder, withTree } from './image-tree.ts'

export interface StandIn {
  /** A word of its label: an image with another one is built anew. */
  readonly madeOf: string
  /** Images that have to be there first. */
  readonly needs: readonly string[]
  /** @param label the instruction that sets its label */
  make(engine: Engine, name: string, label: string): Promise<void>
}

/** The label of an image that stands in for another; its value is `madeOf`. */
export const standInLabel = 'lockkeeper.stand-in'

const debian = 'debian:bookworm-slim'
const caBundle = '/etc/ssl/certs/ca-certificates.crt'
const node = `Node ${process.versions.node} of this machine`

const standIns: readonly [RegExp, StandIn][] = [
  [/^debian:bookworm-slim$/, { madeOf: 'debootstrap', needs: [], make: debianImage }],
  [/^node:24[.\d]*-bookworm-slim$/, { madeOf: `${debian}, ${node}, npm`, needs: [debian], make: nodeImage }],
  [
    /^gcr\.io\/distroless\/nodejs24-debian\d+:nonroot$/,
    { madeOf: `${node} and its libraries`, needs: [], make: distrolessImage },
  ],
  [/^versity\/versitygw:/, goImage('versitygw')],
  [/^quay\.io\/minio\/minio:/, goImage('minio')],
  [/^litestream\/litestream:/, goImage('litestream')],
]

/** Undefined where there is none. */
export function standInFor(name: string): StandIn | undefined {
  return standIns.find(([image]) => image.test(name))?.[1]
}

async function debianImage(engine: Engine, name: string, label: string): Promise<void> {
  if ((await programsNamed('debootstrap')).length === 0) await install(['debootstrap'])
  await withTree(async tree => {
    await run('debootstrap', ['--variant=minbase', 'bookworm', tree])
    await importTree(engine, tree, name, ['CMD ["bash"]', label])
  })
}

async function nodeImage(engine: Engine, name: string, label: string): Promise<void> {
  const [npm] = await programsNamed('npm')
  if (npm === undefined) throw new Error('The tests need npm: please install it.')
  const npmFolder = dirname(dirname(await realpath(npm)))
  await withTree(async tree => {
    const [bin, modules] = [join(tree, 'usr/local/bin'), join(tree, 'usr/local/lib/node_modules')]
    await mkdir(bin, { recursive: true })
    await copyFile(process.execPath, join(bin, 'node'))
    await cp(npmFolder, join(modules, 'npm'), { recursive: true })
    for (const program of ['npm', 'npx'])
      await symlink(`../lib/node_modules/npm/bin/${program}-cli.js`, join(bin, program))
    await buildTree(engine, tree, name, [`FROM ${debian}`, 'COPY usr /usr', 'CMD ["node"]', label])
  })
}

const passwd = `root:x:0:0:root:/root:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
`

async function distrolessImage(engine: Engine, name: string, label: string): Promise<void> {
  await withTree(async tree => {
    await mkdir(join(tree, 'nodejs/bin'), { recursive: true })
    await copyFile(process.execPath, join(tree, 'nodejs/bin/node'))
    for (const file of [...(await librariesOf(process.execPath)), caBundle]) await copyInto(tree, file)
    await writeFile(join(tree, 'etc/passwd'), passwd)
    await writeFile(join(tree, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n')
    await temporaryFolder(tree)
    const home = join(tree, 'home/nonroot')
    await mkdir(home, { recursive: true })
    await chmod(home, 0o700)
    await chown(home, 65532, 65532)
    await importTree(engine, tree, name, [
      'ENTRYPOINT ["/nodejs/bin/node"]',
      'USER 65532',
      'WORKDIR /home/nonroot',
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      `ENV SSL_CERT_FILE=${caBundle}`,
      label,
    ])
  })
}

/** One program on nothing. */
function goImage(program: GoProgram): StandIn {
  const make = async (engine: Engine, name: string, label: string) => {
    const path = await goProgram(program)
    await withTree(async tree => {
      await mkdir(join(tree, 'data'))
      await temporaryFolder(tree)
      await copyInto(tree, caBundle)
      await copyFile(path, join(tree, program))
      await importTree(engine, tree, name, [`ENTRYPOINT ["/${program}"]`, label])
    })
  }
  return { madeOf: moduleOf(program), needs: [], make }
}
