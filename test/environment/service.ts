/**
 * The test environment of one run: it lives in vitest's main process and brings up what tests ask for (`ask.ts`) when
 * the first one asks, once, until the run ends. Tests run in other processes, so they ask over a socket.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { messageOf } from '../../src/errors.ts'
import { type ClusterKind, type StartedCluster, startCluster } from './cluster.ts'
import { type Engine, type FoundEngine, findEngine } from './docker.ts'
import { ensureImage } from './images.ts'
import { buildLockkeeper, removeLockkeeper, type Target } from './lockkeeper-image.ts'

/** What can be asked for. */
export type Question =
  | { readonly want: 'engine' }
  | { readonly want: 'image'; readonly name: string }
  | { readonly want: 'lockkeeper'; readonly target: Target }
  | { readonly want: 'cluster' }

export interface Answer {
  readonly engine: Engine
  /** The name under which the image is there. */
  readonly image?: string
  readonly cluster?: ClusterKind
}

export interface Service {
  /** The path of the socket to ask at. */
  readonly address: string
  end(): Promise<void>
}

export async function startService(): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-environment-'))
  const address = join(folder, 'socket')
  const environment = new Environment()
  const server = createServer(async (request: IncomingMessage, response) => {
    try {
      const question = JSON.parse(await text(request)) as Question
      response.end(JSON.stringify(await environment.answer(question)))
    } catch (error) {
      response.writeHead(500).end(messageOf(error))
    }
  })
  server.listen(address)
  await once(server, 'listening')
  server.unref()
  return {
    address,
    async end() {
      server.close()
      server.closeAllConnections()
      await environment.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

class Environment {
  readonly #answers = new Map<string, Promise<unknown>>()

  async answer(question: Question): Promise<Answer> {
    const engine = await this.#engine()
    switch (question.want) {
      case 'engine':
        return { engine }
      case 'image':
        await this.#once(question, () => ensureImage(engine, question.name))
        return { engine, image: question.name }
      case 'lockkeeper':
        return { engine, image: await this.#once(question, () => buildLockkeeper(engine, question.target)) }
      case 'cluster':
        return { engine, cluster: (await this.#once(question, () => startCluster(engine))).kind }
    }
  }

  async end(): Promise<void> {
    if (this.#answers.size === 0) return
    await Promise.allSettled(this.#answers.values())
    const cluster = this.#known<StartedCluster>({ want: 'cluster' })
    await (await cluster?.catch(() => undefined))?.stop()
    const engine = await this.#engine().catch(() => undefined)
    if (engine === undefined) return
    await removeLockkeeper(engine)
    await engine.release()
  }

  #engine(): Promise<FoundEngine> {
    return this.#once({ want: 'engine' }, findEngine)
  }

  /** The same question has the same answer, also when it is that it cannot be had. */
  #once<T>(question: Question, work: () => Promise<T>): Promise<T> {
    const answer = this.#known<T>(question) ?? work()
    this.#answers.set(JSON.stringify(question), answer)
    return answer
  }

  #known<T>(question: Question): Promise<T> | undefined {
    return this.#answers.get(JSON.stringify(question)) as Promise<T> | undefined
  }
}
