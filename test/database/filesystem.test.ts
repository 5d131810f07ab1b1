import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { mountOf, parseMounts, refuseUnreliable } from '../../src/database/filesystem.ts'
import { database, freshFolder } from '../support/folder.ts'

/** A folder seen through FUSE. */
async function throughFuse(folder: string): Promise<string> {
  const point = join(await freshFolder(), 'fuse')
  await mkdir(point)
  execFileSync('bindfs', [folder, point])
  onTestFinished(() => void execFileSync('umount', ['-l', point]))
  return point
}

describe('a file system', () => {
  it('of this kernel is taken, also for a database that is not there yet', async () => {
    const path = await database('rollback')
    await refuseUnreliable(path)
    await refuseUnreliable(join(await freshFolder(), 'new.db'))
    await refuseUnreliable('/dev/shm/new.db')
    await refuseUnreliable('/not/there/app.db')
  })

  it('behind FUSE is refused with the reason, unless that is meant', async context => {
    if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
    const point = await throughFuse(join(await database('wal'), '..'))
    for (const name of ['app.db', 'new.db'])
      await expect(refuseUnreliable(join(point, name))).rejects.toMatchObject({
        code: 'config',
        message: expect.stringMatching(
          `${point}/${name} is on FUSE \\(fuse\\S*, mounted at ${point}\\), where locks cannot`,
        ),
        hint: expect.stringContaining('--allow-filesystem'),
      })
    await refuseUnreliable(join(point, 'app.db'), { allowed: true })
  })

  it('of the container itself is refused in Kubernetes, where no volume is mounted', async () => {
    const mounted = '/dev/shm/app.db'
    await refuseUnreliable(mounted, { inKubernetes: true })
    await expect(refuseUnreliable('/app.db', { inKubernetes: true })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('no volume is mounted'),
      hint: expect.stringContaining('Mount the volume'),
    })
    await refuseUnreliable('/app.db', { inKubernetes: true, allowed: true })
  })
})

describe('the mounts of a container', () => {
  const text = `22 27 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/a - b
23 22 0:22 /volumes/pvc-1 /data rw,relatime master:1 - nfs4 server:/export rw
24 22 0:23 / /data/a\\040b rw - fuse.sshfs host:/x rw
25 22 0:24 / /database rw - ext4 /dev/sdb rw
26 22 254:1 /app.db /etc/app.db rw - ext4 /dev/sdc rw
27 22 0:25 / /data rw - ext4 /dev/sdd rw
`
  const mounts = parseMounts(text)

  it.each([
    ['/data/app.db', '/data', 'ext4'],
    ['/data/a b/app.db', '/data/a b', 'fuse.sshfs'],
    ['/database/app.db', '/database', 'ext4'],
    ['/datab/app.db', '/', 'overlay'],
    ['/etc/app.db', '/etc/app.db', 'ext4'],
    ['/app.db', '/', 'overlay'],
  ])('say where %s is', (path, point, type) => {
    expect(mountOf(path, mounts)).toEqual({ point, type })
  })

  it('may be unknown', () => {
    expect(mountOf('/data/app.db', parseMounts(''))).toBeUndefined()
  })
})
