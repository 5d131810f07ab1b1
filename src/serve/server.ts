/** Answers over HTTP until it is stopped. It reads only, and takes no body. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LockkeeperError, messageOf, systemCode } from '../errors.ts'
import type { Listener } from '../job/events.ts'
import { type Answer, answersTo, type Questions } from './answers.ts'

export interface ServeOptions {
  /** Port 0: any that is free. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly questions: Questions
  readonly listener: Listener
  /** Takes secrets out of what is answered. */
  readonly redact: (text: string) => string
  /** Stops it; its reason is what it rejects with. */
  readonly signal: AbortSignal
}

/** Those who send slowly, or nothing, and those who are too many, are let go of. In milliseconds, and connections. */
const limits = {
  requestTimeout: 10_000,
  headersTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}
const mostConnections = 100
/** And those who do not read what they asked for. In milliseconds. */
const readingTimeout = 10_000

/**
 * Never resolves.
 * @throws the reason of the signal; LockkeeperError `config` or `denied` where it cannot listen
 */
export async function serve({ listen, listener, questions, redact, signal }: ServeOptions): Promise<never> {
  signal.throwIfAborted()
  const answerAt = answersTo(questions, redact, signal)
  const server = createServer(limits, (request, response) => void respond(request, response, answerAt))
  server.maxConnections = mostConnections
  try {
    await listenAt(server, listen)
    listener({ kind: 'note', step: 'serve', message: `listening at ${urlOf(server)}` })
    await Promise.race([once(signal, 'abort'), failed(server)])
    throw signal.reason
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

async function listenAt(server: Server, { host, port }: ServeOptions['listen']): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const denied = systemCode(error) === 'EACCES'
    throw new LockkeeperError(denied ? 'denied' : 'config', `cannot listen at ${host}:${port}: ${messageOf(error)}`, {
      hint: denied
        ? 'Ports below 1024 are for root: choose another with LOCKKEEPER_LISTEN (or --listen).'
        : 'Choose an address of this machine and a port that is free: LOCKKEEPER_LISTEN (or --listen).',
      cause: error,
    })
  }
}

async function failed(server: Server): Promise<never> {
  const [error] = await once(server, 'error')
  throw error
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answerAt: (path: string) => Promise<Answer>,
): Promise<void> {
  request.resume()
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  const { body, status, type } = await answerAt(pathOf(request))
  response.setTimeout(readingTimeout, () => response.destroy())
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Of both forms that HTTP has for a target: the path, and the whole URL that a proxy is asked for. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return URL.parse(url, 'http://localhost')?.pathname ?? '/'
}
