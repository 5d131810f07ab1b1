/** Which versions are at work; written into manifests and into the history. */
import packageJson from '../package.json' with { type: 'json' }

export const lockkeeperVersion: string = packageJson.version

export function engineVersions(): { readonly lockkeeper: string; readonly node: string; readonly sqlite: string } {
  return { lockkeeper: lockkeeperVersion, node: process.versions.node, sqlite: process.versions['sqlite'] ?? 'unknown' }
}
