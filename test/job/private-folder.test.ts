import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { inPrivateFolder } from '../../src/job/private-folder.ts'
import { freshFolder } from '../support/folder.ts'

const program = fileURLToPath(new URL('private-folder-process.ts', import.meta.url))

/** Another process that has one, with a copy of something in it. */
async function otherJob(tmpdir: string) {
  const child = spawn(process.execPath, [program, tmpdir], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [folder] = await once(child.stdout, 'data')
  return {
    folder: String(folder).trim(),
    async kill() {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

const passing = (tmpdir: string) => inPrivateFolder(tmpdir, async () => {})

describe('a private folder', () => {
  it('is its user’s alone, and gone afterwards, also when the work fails', async () => {
    const tmpdir = await freshFolder()
    const mode = await inPrivateFolder(tmpdir, async folder => (await stat(folder)).mode & 0o777)
    expect(mode).toBe(0o700)
    expect(await readdir(tmpdir)).toEqual([])
    await expect(inPrivateFolder(tmpdir, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await readdir(tmpdir)).toEqual([])
  })

  it('of a job that was killed is removed by the next one', async () => {
    const tmpdir = await freshFolder()
    const killed = await otherJob(tmpdir)
    await killed.kill()
    expect(await readdir(killed.folder)).toContain('copy.db')
    await passing(tmpdir)
    expect(await readdir(tmpdir)).toEqual([])
  })

  it('of a job that lives is left alone, in another process and in this one', async () => {
    const tmpdir = await freshFolder()
    const living = await otherJob(tmpdir)
    await inPrivateFolder(tmpdir, async folder => {
      await writeFile(join(folder, 'copy.db'), 'mine')
      await Promise.all([passing(tmpdir), passing(tmpdir)])
      expect(await readdir(folder)).toContain('copy.db')
      expect(await readdir(living.folder)).toContain('copy.db')
      // What another process did to the lock of this one would show here.
      await (await otherJob(tmpdir)).kill()
      await passing(tmpdir)
      expect(await readdir(folder)).toContain('copy.db')
    })
    await living.kill()
  })

  it('is removed only where it is one: no file, no link, nothing of another program', async () => {
    const tmpdir = await freshFolder()
    const elsewhere = await freshFolder()
    await writeFile(join(elsewhere, '.in-use'), '')
    await symlink(elsewhere, join(tmpdir, 'lockkeeper-job-link'))
    await writeFile(join(tmpdir, 'lockkeeper-job-file'), 'precious')
    await mkdir(join(tmpdir, 'lockkeeper-job-unmarked'))
    await mkdir(join(tmpdir, 'other'))
    await writeFile(join(tmpdir, 'other', '.in-use'), '')
    const before = await readdir(tmpdir)
    await passing(tmpdir)
    expect(await readdir(tmpdir)).toEqual(before)
    expect(await readdir(elsewhere)).toEqual(['.in-use'])
  })

  it('cannot be made where there is no folder, and that says which setting to change', async () => {
    await expect(passing(join(await freshFolder(), 'gone'))).rejects.toMatchObject({
      code: 'missing',
      hint: expect.stringContaining('LOCKKEEPER_TMPDIR'),
    })
  })
})
