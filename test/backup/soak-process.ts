/**
 * Some of those who work on a repository at the same time, over and over, until standard input ends:
 * `soak-process.ts NAME ROOT FOLDER GRACE`. Now and then one of them stands still before a request, or never makes it, as
 * if it had been killed, and another one takes its place. Says what they did, a JSON document on a line; who died:
 * `{"dead": NAME}`; and what must not happen: `{"violation": "..."}`.
 */

import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as standStill } from 'node:timers/promises'
import { type Backup, listNames, readBackup } from '../../src/backup/catalog.ts'
import { createBackup } from '../../src/backup/create.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { manifestKey } from '../../src/backup/format.ts'
import { pin } from '../../src/backup/pins.ts'
import { prune } from '../../src/backup/prune.ts'
import { openRepository, type Repository } from '../../src/backup/repository.ts'
import { verifyBackup } from '../../src/backup/verify.ts'
import { WorkingCopy } from '../../src/backup/working-copy.ts'
import { LockkeeperError, messageOf } from '../../src/errors.ts'
import { fileStore } from '../../src/storage/file.ts'
import { nothing } from './facts.ts'
import { factsWith, observed } from './observed.ts'

const [whose = '', root = '', folder = '', grace = '0'] = process.argv.slice(2)
const crew = ['backup', 'backup', 'backup', 'prune', 'prune', 'prune', 'verify', 'restore', 'pin'] as const
const say = (what: object) => writeSync(1, `${JSON.stringify(what)}\n`)

let ending = false
process.stdin
  .on('data', () => {})
  .on('end', () => {
    ending = true
  })

const policy = { ...nothing, keepLast: 2 }
const died = Symbol('died')

/** One life of one of them. */
class Hand {
  readonly #role: (typeof crew)[number]
  readonly #name: string
  readonly #repository: Repository
  #dead = false
  #die: (value: typeof died) => void = () => {}

  constructor(role: (typeof crew)[number], name: string, repository: Repository) {
    this.#role = role
    this.#name = name
    const { store } = observed(repository.store, () => this.#beforeRequest())
    this.#repository = { ...repository, store }
  }

  /** Works until the end, or until it dies. */
  async live(): Promise<void> {
    const death = new Promise<typeof died>(resolve => {
      this.#die = resolve
    })
    while (!ending) {
      const outcome = await Promise.race([this.#work(), death])
      if (outcome === died) {
        say({ dead: this.#name })
        return
      }
      if (outcome !== undefined) say({ role: this.#role, ...outcome })
      await standStill(Math.random() * 20)
    }
  }

  async #beforeRequest(): Promise<void> {
    const chance = Math.random()
    if (this.#dead || chance < 0.001) {
      this.#dead = true
      this.#die(died)
      await new Promise(() => {})
    }
    if (chance < 0.004) await standStill(Math.random() * 3000)
    else if (chance < 0.1) await standStill(Math.random() * 20)
  }

  async #work(): Promise<object | undefined> {
    try {
      return await this[this.#role]()
    } catch (error) {
      if (!(error instanceof LockkeeperError)) throw error
      return { refused: `${error.code}: ${error.message}` }
    }
  }

  async backup() {
    const versions = readdirSync(folder).filter(file => file.startsWith('version-'))
    const path = join(folder, anyOf(versions) ?? '')
    const by = { host: this.#name }
    const { id } = await createBackup(this.#repository, path, factsWith({ by, tiers: ['daily'] }))
    return { id }
  }

  async prune() {
    const by = { host: this.#name }
    const options = { policy, grace: Number(grace), timeZone: 'UTC', dryRun: Math.random() < 0.1, by }
    const { blocked, deleted, putBack, removed } = await prune(this.#repository, options)
    if (blocked !== undefined) say({ violation: `blocked: ${blocked}` })
    return options.dryRun ? {} : { removed: removed.length, putBack: putBack.length, deleted: deleted.objects }
  }

  async restore() {
    const found = await this.#any()
    if (found === undefined) return undefined
    const back = join(folder, `${randomUUID()}.back`)
    try {
      await fetchBackup(this.#repository, found, back)
    } catch (error) {
      // With a time of grace it has to be there for that long.
      const there = (await this.#repository.store.head(manifestKey(found.id))) !== undefined
      if (there || grace !== '0') say({ violation: `${found.id} does not restore: ${messageOf(error)}` })
    } finally {
      rmSync(back, { force: true })
    }
    return { id: found.id }
  }

  async verify() {
    const found = await this.#any()
    if (found === undefined) return undefined
    const inspect = async () => ({ how: 'not at all', problems: [], notes: [] })
    const copy = new WorkingCopy(join(folder, `${randomUUID()}.copy`))
    const report = await verifyBackup(this.#repository, found, { inspect, copy, by: { host: this.#name } })
    if (report?.check.result === 'bad') say({ violation: `${found.id} is bad: ${report.check.problems}` })
    return report === undefined ? undefined : { id: found.id }
  }

  async pin() {
    const listed = anyOf((await listNames(this.#repository)).backups)
    if (listed === undefined || Math.random() < 0.95) return undefined
    await pin(this.#repository, listed.id, { by: { host: this.#name } })
    return { id: listed.id }
  }

  async #any(): Promise<Backup | undefined> {
    const listed = anyOf((await listNames(this.#repository)).backups)
    const found = listed && (await readBackup(this.#repository, listed))
    return found !== undefined && 'manifest' in found ? found : undefined
  }
}

function anyOf<T>(items: readonly T[]): T | undefined {
  return items[Math.floor(Math.random() * items.length)]
}

const repository = await openRepository(fileStore(root), { databaseName: 'app', create: false })
await Promise.all(
  crew.map(async (role, place) => {
    for (let life = 1; !ending; life++) await new Hand(role, `${whose}-${place}-${life}`, repository).live()
  }),
)
process.exit(0)
