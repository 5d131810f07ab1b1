/**
 * Which file systems SQLite's locks can be relied on: those of a kernel that all who open the database share. Over a
 * network or a bridge between kernels (NFS, SMB, 9p, virtiofs, FUSE) a lock may be granted twice or not be seen at all,
 * and the shared memory of a write-ahead log is not shared; rows vanish without an error
 * (https://www.sqlite.org/howtocorrupt.html, section 2; https://www.sqlite.org/wal.html, "Overview").
 */
import { dirname } from 'node:path'
import { LockkeeperError } from '../errors.ts'
import { fileSystemOf, readText } from './files.ts'

export interface FileSystemPolicy {
  /** Use the database wherever it is. Default false. */
  readonly allowed?: boolean
  /** This runs in a container of Kubernetes, whose own root file system is gone with the container. Default false. */
  readonly inKubernetes?: boolean
}

/** The number that statfs(2) gives as the type, and what it is called. */
const unreliable: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'SMB (CIFS)'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x786f4256, 'a shared folder of VirtualBox'],
])

/**
 * Refuses a database where its locks could not be relied on, before it is opened.
 * @param file from `realDatabasePath`; need not be there yet
 * @throws LockkeeperError `config` with the reason
 */
export async function refuseUnreliable(
  file: string,
  { allowed = false, inKubernetes = false }: FileSystemPolicy = {},
): Promise<void> {
  if (allowed) return
  const place = await typeOf(file)
  // What is not there is for others to say.
  if (place === undefined) return
  const name = unreliable.get(place.type)
  if (name !== undefined) throw unreliableLocks(file, name, mountOf(file, await mounts()))
  if (inKubernetes && mountOf(file, await mounts())?.point === '/') throw notOnVolume(file)
}

async function typeOf(file: string) {
  return fileSystemOf(file)
    .catch(() => fileSystemOf(dirname(file)))
    .catch(() => undefined)
}

export interface Mount {
  readonly point: string
  /** As the kernel calls it: `ext4`, `fuse.sshfs`, `virtiofs`. */
  readonly type: string
}

/** Of `/proc/self/mountinfo`; none where there is no such file. */
async function mounts(): Promise<Mount[]> {
  return parseMounts(await readText('/proc/self/mountinfo').catch(() => ''))
}

/** See proc_pid_mountinfo(5). */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap(line => {
    const [before = '', after = ''] = line.split(' - ')
    const point = before
      .split(' ')[4]
      ?.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    return point === undefined ? [] : [{ point, type: after.split(' ')[0] ?? '' }]
  })
}

/** What is mounted where a path is: the last one over the longest part of it. */
export function mountOf(path: string, all: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined
  for (const mount of all) {
    const { point } = mount
    const covers = point === '/' || path === point || path.startsWith(`${point}/`)
    if (covers && point.length >= (found?.point.length ?? 0)) found = mount
  }
  return found
}

function unreliableLocks(file: string, name: string, mount: Mount | undefined): LockkeeperError {
  const where = mount === undefined ? '' : ` (${mount.type}, mounted at ${mount.point})`
  return new LockkeeperError(
    'config',
    `${file} is on ${name}${where}, where locks cannot be relied on: two processes could write at the same time, and rows would be lost without an error`,
    {
      hint: 'Nothing was touched. Put the database on a local disk or a block volume (ReadWriteOnce). If you are sure that all who open it share one kernel and its locks, say so with --allow-filesystem.',
      details: { path: file, fileSystem: name, ...mount },
    },
  )
}

function notOnVolume(file: string): LockkeeperError {
  return new LockkeeperError(
    'config',
    `${file} is on the root file system of this container, where no volume is mounted: it would be gone with the container`,
    {
      hint: 'Nothing was touched. Mount the volume of the application at the folder of the database, in this container too, or mend DATABASE_URL; --allow-filesystem if this is meant.',
      details: { path: file },
    },
  )
}
