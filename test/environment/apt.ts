/** Installs Debian packages, where that is possible. */
import { existsSync } from 'node:fs'
import { run } from './command.ts'
import { withMachineLock } from './machine-lock.ts'
import { step } from './say.ts'

/** Only Debian's and only root's machines are changed by the tests. */
export function canInstall(): boolean {
  return existsSync('/etc/debian_version') && process.getuid?.() === 0
}

/**
 * Packages that are there already stay as they are. Services that come with them are started where there is systemd.
 * @param others that only some releases of Debian have; elsewhere they are a part of the first ones
 */
export async function install(packages: readonly string[], others: readonly string[] = []): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const wait = ['-qq', '-o', 'DPkg::Lock::Timeout=600']
  await withMachineLock('apt', () =>
    step(`Installing ${packages.join(', ')} (apt-get)`, async () => {
      await run('apt-get', [...wait, 'update'], { env })
      const all = [...packages, ...(await known(others))]
      await run('apt-get', [...wait, 'install', '-y', '--no-install-recommends', '--no-upgrade', ...all], { env })
    }),
  )
}

async function known(packages: readonly string[]): Promise<string[]> {
  const shown = await Promise.all(packages.map(name => run('apt-cache', ['show', name]).catch(() => '')))
  return packages.filter((_, position) => shown[position] !== '')
}
