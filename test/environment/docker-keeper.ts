/**
 * A process that starts `dockerd`, and ends it when the last test run that uses it is gone, however it went. Its
 * arguments are the folder of the engine's data and further options of `dockerd`.
 *
 * Holding its name in the abstract namespace makes it the only keeper of the folder, for as long as its `dockerd` runs.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type KeeperFarewell, type KeeperWord, keeperName } from './docker-lease.ts'
import { takeName } from './machine-lock.ts'

/** For the engine to answer after its start, and to be gone after SIGTERM, in milliseconds. */
const patience = { start: 60_000, end: 30_000 }
/** A keeper to which nobody comes has been started for a run that is gone. */
const lonely = 20_000

const [folder = '', ...options] = process.argv.slice(2)
const name = keeperName(folder)
/** Paths of sockets are short, and nothing here outlives the engine. */
const state = `/run/lockkeeper-test/${name}`
const socketPath = join(state, 'docker.sock')
const pidFile = join(state, 'dockerd.pid')
const data = join(folder, 'data')
const logFile = join(folder, 'dockerd.log')

const leases = new Set<Socket>()
let daemon: ChildProcess | undefined
let ending = false

const server = await takeName(name)
if (server === undefined) process.exit(0)
const word = start()
const alone = setTimeout(() => void end(), lonely)
server.on('connection', socket => void receive(socket))
process.on('SIGTERM', () => void end())
process.on('SIGINT', () => void end())

async function receive(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  if (ending) {
    socket.destroy()
    return
  }
  clearTimeout(alone)
  leases.add(socket)
  socket.once('close', () => leave(socket))
  socket.once('end', () => leave(socket))
  socket.resume()
  socket.write(`${JSON.stringify(await word)}\n`)
}

function leave(socket: Socket): void {
  if (!leases.delete(socket)) return
  if (leases.size > 0) farewell(socket, 'kept')
  else void end().then(() => farewell(socket, 'ended'))
}

function farewell(socket: Socket, what: KeeperFarewell): void {
  if (socket.writable) socket.end(`${what}\n`)
}

/** Ends the engine, and then this process; whoever comes meanwhile is sent away and starts another keeper. */
async function end(): Promise<void> {
  if (ending) return
  ending = true
  await word
  if (daemon?.pid !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
    const gone = once(daemon, 'exit')
    daemon.kill('SIGTERM')
    const late = setTimeout(() => daemon?.kill('SIGKILL'), patience.end)
    await gone
    clearTimeout(late)
  }
  removeState()
  // Time for the last words; the name is free when this process is gone.
  setTimeout(() => process.exit(0), 100)
}

async function start(): Promise<KeeperWord> {
  await endForgotten()
  daemon = startDaemon()
  const said = await answer(daemon)
  // An engine that ended by itself, now or later, is replaced by the next run's.
  if ('failed' in said || daemon.exitCode !== null) setImmediate(() => void end())
  else daemon.once('exit', () => void end())
  return said
}

function startDaemon(): ChildProcess {
  mkdirSync(state, { recursive: true })
  const configuration = join(state, 'daemon.json')
  // Not the machine's own configuration, which belongs to an engine that is not ours. Old build layers go by themselves.
  writeFileSync(configuration, JSON.stringify({ builder: { gc: { enabled: true, defaultKeepStorage: '5GB' } } }))
  const log = openSync(logFile, 'w')
  const places = ['--host', `unix://${socketPath}`, '--data-root', data, '--pidfile', pidFile]
  const further = ['--exec-root', join(state, 'exec'), '--config-file', configuration, '--shutdown-timeout', '5']
  // However the keeper ends, the kernel then ends the engine.
  // Without a bridge of its own, dockerd removes docker0 when it starts, which is another engine's: a network of its own.
  const apart = options.includes('--bridge=none') ? ['unshare', '--net'] : []
  return spawn('setpriv', ['--pdeathsig', 'TERM', ...apart, 'dockerd', ...places, ...further, ...options], {
    stdio: ['ignore', log, log],
    cwd: '/',
  })
}

/** Resolves when the engine answers, or when it is clear that it will not. */
async function answer(child: ChildProcess): Promise<KeeperWord> {
  const deadline = performance.now() + patience.start
  let exited: string | undefined
  child.once('error', error => (exited = error.message))
  child.once('exit', (code, signal) => (exited = `it ended by itself (${signal ?? `exit ${code}`})`))
  while (exited === undefined && performance.now() < deadline) {
    if (await asks('GET', '/_ping')) {
      await tidyUp()
      return { host: `unix://${socketPath}`, pid: process.pid }
    }
    await sleep(50)
  }
  const why = exited ?? `it did not answer within ${patience.start / 1000} s`
  return { failed: `The Docker Engine that was started for the tests did not come up: ${why}.\n${lastWords()}` }
}

/** What runs that were killed have left: nobody uses an engine that has just come up. */
async function tidyUp(): Promise<void> {
  for (const what of ['containers', 'networks', 'volumes', 'images']) await asks('POST', `/${what}/prune`)
}

/** Asks the engine; true when it has done it. */
function asks(method: string, path: string): Promise<boolean> {
  return new Promise(resolve => {
    const question = request({ socketPath, method, path, timeout: patience.start }, response => {
      response.resume()
      response.once('close', () => resolve(response.statusCode === 200))
    })
    question.once('timeout', () => question.destroy())
    question.once('error', () => resolve(false))
    question.end()
  })
}

function lastWords(): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n')
}

/** A keeper that was killed may have left an engine that is still on its way out; it is ours by its data folder. */
async function endForgotten(): Promise<void> {
  const pid = Number(readOrEmpty(pidFile))
  const isOurs = () => pid > 0 && readOrEmpty(`/proc/${pid}/cmdline`).split('\0').includes(data)
  const deadline = performance.now() + patience.end
  if (isOurs()) process.kill(pid, 'SIGTERM')
  while (isOurs() && performance.now() < deadline) await sleep(50)
  if (isOurs()) process.kill(pid, 'SIGKILL')
  removeState()
}

/** What an engine leaves mounted, as the host's network of a container and all that one that did not end well had; its sockets. */
function removeState(): void {
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4] ?? '')
    .filter(path => [data, state].some(folder => path === folder || path.startsWith(`${folder}/`)))
  for (const path of mounted.reverse()) spawnSync('umount', ['--lazy', path], { stdio: 'ignore' })
  rmSync(state, { recursive: true, force: true })
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
