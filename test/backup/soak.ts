/**
 * Many processes at work on one repository, stopped, continued and killed at random: backups, prunes, verifications,
 * restores and pins. Time passes between two spells of work: what killed processes announced is three days old then, and
 * marks more than a week.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { listNames } from '../../src/backup/catalog.ts'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { age, contentOf, days, expectWhole, keysIn, pruneNow, versionsOf } from './pruning.ts'
import { backup } from './support.ts'

const program = fileURLToPath(new URL('./soak-process.ts', import.meta.url))
/** Of processes, each with a whole crew. */
const many = 2
const spell = 15_000
/** Spells on one repository. */
const spells = 3

export interface Tally {
  readonly counts: Record<string, number>
  readonly violations: string[]
}

/** Works for about so many milliseconds, on one repository after the other in `folder`. */
export async function soak(
  folder: string,
  milliseconds: number,
  onRound: (tally: Tally) => void = () => {},
): Promise<Tally> {
  const tally: Tally = { counts: {}, violations: [] }
  const deadline = performance.now() + milliseconds
  for (let round = 0; performance.now() < deadline && tally.violations.length === 0; round++) {
    const place = join(folder, `round-${round}`)
    mkdirSync(place)
    await workOn(place, round % 2 === 0 ? 0 : 60 * 60 * 1000, deadline, tally)
    onRound(tally)
  }
  return tally
}

async function workOn(folder: string, grace: number, deadline: number, tally: Tally): Promise<void> {
  const root = join(folder, 'repository')
  const repository = await openRepository(fileStore(root), { databaseName: 'app', create: true, chunkSize: 4096 })
  const test = { root, repository, path: (name: string) => join(folder, name) }
  const [first = ''] = versionsOf(test, 24)
  await backup(test, first)
  const pinned = new Set<string>()
  for (let time = 0; time < spells && performance.now() < deadline && tally.violations.length === 0; time++) {
    const hands = Array.from(
      { length: many },
      (_, index) => new Hand(`p${index}`, { root, folder, grace }, tally, pinned),
    )
    const end = performance.now() + spell
    while (performance.now() < end) {
      await pass(Math.random() * 1000)
      const hand = hands[Math.floor(Math.random() * hands.length)]
      if (hand === undefined) continue
      if (Math.random() < 0.3) await hand.killAndReplace()
      else void hand.stopFor(Math.random() * 1500)
    }
    await Promise.all(hands.map(hand => hand.finish()))
    await look(test, pinned, tally)
    // The dead are dead, and nobody is at work: whatever they left is old now.
    age(test, keysIn(root, 'intents/', 'marks/'), 8 * days)
  }
  for (let prunes = 0; prunes < 3; prunes++) {
    await pruneNow(test, { policy: { keepLast: 2 } })
    age(test, keysIn(root, 'marks/'), 8 * days)
  }
  const needed = await look(test, pinned, tally)
  const left = contentOf(test).filter(key => !needed.has(key))
  if (left.length > 0) tally.violations.push(`nothing uses ${left.join(', ')}, and no prune deletes it`)
}

/** Every backup restores, a good one is there, and all that are pinned. Returns what they name. */
async function look(
  test: Parameters<typeof expectWhole>[0] & { readonly root: string },
  pinned: ReadonlySet<string>,
  tally: Tally,
): Promise<Set<string>> {
  try {
    const ids = await expectWhole(test)
    if (ids.length === 0) tally.violations.push('no backup is left')
    for (const id of pinned) if (!ids.includes(id)) tally.violations.push(`${id} was pinned, and is gone`)
  } catch (error) {
    tally.violations.push(String(error))
  }
  const { backups } = await listNames(test.repository)
  const named = new Set<string>()
  for (const { id } of backups) {
    const manifest = JSON.parse(readFileSync(join(test.root, 'backups', `${id}.json`), 'utf8'))
    for (const list of manifest.chunks.lists) {
      named.add(list)
      for (const line of readFileSync(join(test.root, list), 'utf8').split('\n')) named.add(line)
    }
  }
  for (const name of readdirSync(test.path('.'))) if (name.startsWith('back-')) count(tally, 'looked at')
  return named
}

/** The folder goes with its last file. */
function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

interface Work {
  readonly root: string
  readonly folder: string
  readonly grace: number
}

function count(tally: Tally, what: string, by = 1): void {
  tally.counts[what] = (tally.counts[what] ?? 0) + by
}

/** One process and those that take its place. */
class Hand {
  readonly #name: string
  readonly #work: Work
  readonly #tally: Tally
  readonly #pinned: Set<string>
  #child: ChildProcess
  #ended: Promise<unknown>
  #lives = 1

  constructor(name: string, work: Work, tally: Tally, pinned: Set<string>) {
    this.#name = name
    this.#work = work
    this.#tally = tally
    this.#pinned = pinned
    this.#child = this.#start()
    this.#ended = once(this.#child, 'close')
  }

  async stopFor(milliseconds: number): Promise<void> {
    const child = this.#child
    count(this.#tally, 'stopped')
    child.kill('SIGSTOP')
    await pass(milliseconds)
    child.kill('SIGCONT')
  }

  async killAndReplace(): Promise<void> {
    count(this.#tally, 'killed')
    this.#child.kill('SIGKILL')
    await this.#ended
    this.#forgetIntents(this.#nameNow())
    this.#lives++
    this.#child = this.#start()
    this.#ended = once(this.#child, 'close')
  }

  /** Lets it end what it does. */
  async finish(): Promise<void> {
    this.#child.kill('SIGCONT')
    this.#child.stdin?.end()
    const stuck = setTimeout(() => {
      this.#tally.violations.push(`${this.#name} does not end`)
      this.#child.kill('SIGKILL')
    }, 60_000)
    await this.#ended
    clearTimeout(stuck)
  }

  /** What the dead announced is three days old: it would hold up all the others for as long. */
  #forgetIntents(name: string): void {
    const { root } = this.#work
    const folder = join(root, 'intents')
    for (const file of filesIn(folder)) {
      try {
        const intent = JSON.parse(readFileSync(join(folder, file), 'utf8'))
        if (`${intent.by?.host}-`.startsWith(`${name}-`)) age({ root }, [`intents/${file}`], 4 * days)
      } catch {
        // Somebody removed it meanwhile.
      }
    }
  }

  #nameNow(): string {
    return `${this.#name}-${this.#lives}`
  }

  #start(): ChildProcess {
    const { folder, grace, root } = this.#work
    const args = [program, this.#nameNow(), root, folder, String(grace)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.on('error', () => {})
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      const lines = `${text}${data}`.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#heard(JSON.parse(line))
    })
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (data: string) => (complaint += data))
    child.on('close', code => {
      if (code !== 0 && code !== null) this.#tally.violations.push(`${this.#name} ended with ${code}: ${complaint}`)
    })
    return child
  }

  #heard(said: {
    dead?: string

    role?: string
    violation?: string
    refused?: string
    id?: string
    removed?: number
    deleted?: number
    putBack?: number
  }): void {
    if (said.violation !== undefined) this.#tally.violations.push(`${this.#nameNow()}: ${said.violation}`)
    else if (said.dead !== undefined) {
      count(this.#tally, 'died')
      this.#forgetIntents(said.dead)
    } else if (said.refused !== undefined)
      count(this.#tally, `${said.role} refused (${said.refused.replaceAll(/[0-9a-fTZ-]{8,}\S*/g, '…')})`)
    else {
      count(this.#tally, said.role ?? '')
      for (const what of ['removed', 'deleted', 'putBack'] as const) count(this.#tally, what, said[what] ?? 0)
      if (said.role === 'pin') this.#pinned.add(said.id ?? '')
    }
  }
}
