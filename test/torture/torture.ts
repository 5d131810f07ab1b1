/**
 * `npm run torture -- --blows N [--seed S] [--lanes L] [--round R] [--program FILE] [--keep FOLDER] [--json]
 * [--seconds N] [--until PATTERN] [--only KIND] [--image NAME]`
 *
 * Strikes deploys until N blows have landed, the time is over or something was lost in a way that fits the pattern, and
 * prints where they fell; ends with 1 if anything was lost. A seed and a round repeat what was done, in the same order and
 * aimed at the same instants; what hits is up to the machine. With an image (of the Docker Engine of DOCKER_HOST) the jobs
 * run in containers, which are struck as a whole.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from '../../scripts/build.ts'
import { outliveLostWakeups } from '../../src/lost-wakeups.ts'
import { startS3Server } from '../storage/s3-servers.ts'
import { type Landed, type LaneOptions, Round, usualTempo } from './lane.ts'
import { Ground } from './place.ts'
import { describe, tableOf } from './table.ts'
import { Judge } from './verdict.ts'

const { values } = parseArgs({
  options: {
    blows: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    lanes: { type: 'string', default: '2' },
    round: { type: 'string' },
    program: { type: 'string' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: 'Infinity' },
    until: { type: 'string' },
    only: { type: 'string' },
    image: { type: 'string' },
  },
})

// What is mounted in a namespace of its own, a Docker Engine does not see.
const mayMount = process.getuid?.() === 0 && process.platform === 'linux' && values.image === undefined
// In a namespace of its own, so that what is mounted here is gone with this process, however that ends.
if (mayMount && process.env['LOCKKEEPER_TORTURE'] === undefined)
  process.execve?.('/usr/bin/unshare', ['unshare', '--mount', process.execPath, ...process.argv.slice(1)], {
    ...process.env,
    LOCKKEEPER_TORTURE: 'in a namespace of its own',
  })

outliveLostWakeups()
const wanted = Number(values.blows)
const program = values.program ?? fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
if (values.program === undefined && values.image === undefined) await build()
const keep = values.keep ?? mkdtempSync(join(tmpdir(), 'lockkeeper-torture-'))
let server: ReturnType<typeof startS3Server> | undefined
const judge = new Judge()
const landed: Landed[] = []
let nextRound = 0
let stopped = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stopped = true))

const say = (text: string) => process.stderr.write(`${text}\n`)
const began = performance.now()
say(`seed ${values.seed}; files of a round with a loss go to ${keep}`)

const more = () => !stopped && landed.length < wanted && performance.now() - began < Number(values.seconds) * 1000

async function lane(number: number): Promise<void> {
  const ground = new Ground(number, mayMount)
  const tempo = usualTempo()
  const options: LaneOptions = {
    seed: values.seed,
    program,
    image: values.image,
    ground,
    judge,
    server: () => (server ??= startS3Server('versitygw')),
    keep,
    onBlow,
    only: values.only,
    wanted: more,
  }
  try {
    while (more()) {
      await Round.play(options, values.round === undefined ? nextRound++ : Number(values.round), tempo)
      if (values.round !== undefined) return
    }
  } finally {
    ground.remove()
  }
}

function onBlow(blow: Landed): void {
  landed.push(blow)
  if (blow.problems.length > 0) {
    say(`VIOLATION, seed ${values.seed}, --round ${blow.round}, ${describe(blow)}`)
    const { until } = values
    if (until !== undefined && blow.problems.some(problem => new RegExp(until).test(problem))) stopped = true
  }
  if (landed.length % 100 === 0) say(`${landed.length} blows after ${Math.round((performance.now() - began) / 1000)} s`)
}

try {
  const lanes = values.round === undefined ? Number(values.lanes) : 1
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
} finally {
  judge.end()
  await (await server)?.stop()
}
const seconds = (performance.now() - began) / 1000
if (values.json) console.log(JSON.stringify({ seed: values.seed, seconds, landed }))
else console.log(tableOf(landed, seconds))
process.exitCode = landed.some(({ problems }) => problems.length > 0) ? 1 : 0
