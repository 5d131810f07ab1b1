/** How migrations get into an image: derived by two lines, as the documentation shows it, or by the target `fossawork`. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { docker } from '../environment/docker.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { sqlite3 } from '../support/peers.ts'
import { fossawork, newest } from '../support/workplace.ts'
import { runContainer, type Setting } from './container.ts'
import { Place } from './place.ts'

let plain: Setting
let withMigrations: Setting

beforeAll(async () => {
  plain = await lockkeeperImage('lockkeeper')
  withMigrations = await lockkeeperImage('fossawork')
}, patience)

function textOf(page: string): string {
  return readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
}

/** The place as a container sees it that mounts no migrations. */
function withoutMount(place: Place, from: Setting): Setting {
  const { mounts, ...setting } = place.seenFrom(from)
  const { '/migrations': _, ...others } = mounts
  return { ...setting, mounts: others }
}

describe('the image itself', () => {
  test.each(['README.md', 'docs/image.md', 'docs/kubernetes.md', 'k8s/examples/statefulset/kustomization.yaml'])(
    'has the version that this is wherever %s names it',
    page => {
      const versions = [...textOf(page).matchAll(/(?:\blockkeeper:|newTag: )(\w[\w.]*)/g)].map(([, version]) => version)
      expect([...new Set(versions)]).toEqual([packageJson.version])
    },
  )

  test('has no migrations, and says what to do about it', async () => {
    expectRefused(await runContainer(withoutMount(new Place(), plain), ['run']), 78, '/migrations')
  })
})

describe.each(['README.md', 'docs/image.md'])('an image derived from it as in %s', page => {
  const dockerfile = /```dockerfile\n(FROM lockkeeper.*\n.*\n)```/.exec(textOf(page))?.[1] ?? ''

  test('is two lines, with the version that this is', () => {
    expect(dockerfile).toBe(`FROM lockkeeper:${packageJson.version}\nCOPY migrations /migrations\n`)
  })

  test('deploys the migrations that were copied into it', async () => {
    const place = new Place()
    const context = join(place.folder, 'context')
    mkdirSync(context)
    cpSync(fossawork, join(context, 'migrations'), { recursive: true })
    writeFileSync(join(context, 'Dockerfile'), dockerfile.replace(/^FROM \S+/, `FROM ${plain.image}`))
    const image = await docker(plain.engine, ['build', '--quiet', context])
    onTestFinished(async () => void (await docker(plain.engine, ['image', 'rm', '--force', image])))

    expectOk(await runContainer(withoutMount(place, { ...plain, image }), ['run']))
    expect(sqlite3(place.database, 'SELECT max(version) FROM schema_migrations')).toBe(`${newest}\n`)
  })
})

describe('the target fossawork', () => {
  test("has the reference application's migrations and deploys them onto an empty volume", async () => {
    const place = new Place()
    const setting = withoutMount(place, withMigrations)
    expectOk(await runContainer(setting, ['run']))
    const versions = readdirSync(fossawork).flatMap(name => /^(.+)\.sql$/.exec(name)?.[1] ?? [])
    expect(versions).toHaveLength(6)
    expect(sqlite3(place.database, 'SELECT version FROM schema_migrations ORDER BY version')).toBe(
      `${versions.sort().join('\n')}\n`,
    )
    const status = await runContainer(setting, ['status', '--json'])
    expectOk(status)
    expect(status.stdout).toContain(newest)
  })

  test('differs from the image itself by its migrations only', async () => {
    const layers = async ({ engine, image }: Setting): Promise<string[]> =>
      JSON.parse(await docker(engine, ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', image]))
    const [ours, theirs] = [await layers(plain), await layers(withMigrations)]
    expect(theirs.slice(0, -1)).toEqual(ours)
  })
})
