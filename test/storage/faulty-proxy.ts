/** A TCP proxy before a real server that does to chosen requests what networks and servers do on a bad day. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

export type Fault =
  /** The connection is reset before anything reaches the server. */
  | { readonly reset: true }
  /** The server does what it is asked, and the connection is reset before its answer arrives. */
  | { readonly loseAnswer: true }
  /** So many bytes of the answer arrive, head included, then the connection is closed. */
  | { readonly cutAnswer: number }
  /** So many bytes of the request reach the server, then both ends are reset. */
  | { readonly cutRequest: number }
  /** Nothing happens any more. */
  | { readonly stall: true }
  /** The answer arrives in pieces of so many bytes, one every 20 ms. */
  | { readonly trickle: number }
  /** One bit of the last byte of the request is another when it arrives. */
  | { readonly corrupt: true }
  /** One bit in the body of the answer is another when it arrives, at this part of its length, 0 to 1. */
  | { readonly flipAnswer: number }
  /** Only the first half of the body of the answer arrives, and its head says that this is all. */
  | { readonly halveAnswer: true }
  /** The server is not asked; this is the answer: status, headers, body. */
  | { readonly answer: readonly [status: number, headers: Readonly<Record<string, string>>, body: string] }

/** Of the first line of a request. */
type Which = Pick<RegExp, 'test'>

interface Rule {
  readonly on: Which
  readonly fault: Fault
  times: number
}

export interface FaultyProxy {
  readonly port: number
  /** Heads of the requests that came, in order. */
  readonly requests: string[]
  /** Connections that were opened. */
  connections: number
  /** Requests whose first line matches suffer this, so many times. */
  fault(on: Which, fault: Fault, times?: number): void
  /** Ends it and every connection through it. It also ends with the test. */
  close(): void
}

/** Starts a proxy before `port` of this machine; it is gone after the test. */
export async function faultyProxy(port: number): Promise<FaultyProxy> {
  const rules: Rule[] = []
  const open = new Set<Socket>()
  const server = createServer(client => {
    proxy.connections++
    open.add(client)
    const upstream = connect(port, '127.0.0.1')
    open.add(upstream)
    serve(client, upstream, head => {
      proxy.requests.push(head)
      const rule = rules.find(({ on, times }) => times > 0 && on.test(head.split('\r\n')[0] as string))
      if (rule !== undefined) rule.times--
      return rule?.fault
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: FaultyProxy = {
    port: (server.address() as AddressInfo).port,
    requests: [],
    connections: 0,
    fault: (on, fault, times = 1) => void rules.push({ on, fault, times }),
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
  onTestFinished(() => proxy.close())
  return proxy
}

/** One connection, on which requests come one after the other. */
function serve(client: Socket, upstream: Socket, arrives: (head: string) => Fault | undefined): void {
  let request = Buffer.alloc(0)
  let length: number | undefined
  let sent = 0
  let fault: Fault | undefined
  let answered = 0
  let held = Buffer.alloc(0)
  let isHead = false
  let trickling: Promise<unknown> = Promise.resolve()
  const end = () => {
    client.resetAndDestroy()
    upstream.resetAndDestroy()
  }
  const broken = () => {
    client.destroy()
    upstream.destroy()
  }
  client.on('error', broken).on('end', () => upstream.end())
  upstream.on('error', broken).on('end', () => trickling.then(() => client.end()))

  client.on('data', data => {
    request = Buffer.concat([request, data])
    if (length === undefined) {
      const head = request.indexOf('\r\n\r\n')
      if (head < 0) return
      const text = request.subarray(0, head).toString()
      length = head + 4 + Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0)
      sent = answered = 0
      held = Buffer.alloc(0)
      isHead = text.startsWith('HEAD ')
      fault = arrives(text)
    }
    const whole = request.length >= length
    if (fault && 'stall' in fault) return
    if (fault && 'reset' in fault) return end()
    if (fault && 'answer' in fault) {
      if (whole) client.end(response(fault.answer))
      return
    }
    if (fault && 'cutRequest' in fault && request.length > fault.cutRequest) {
      upstream.write(request.subarray(sent, fault.cutRequest), end)
      return
    }
    if (fault && 'corrupt' in fault) {
      if (!whole) return
      request[length - 1] = (request[length - 1] as number) ^ 1
    }
    upstream.write(request.subarray(sent))
    sent = request.length
    if (!whole) return
    request = Buffer.alloc(0)
    length = undefined
  })

  upstream.on('data', data => {
    if (fault && 'loseAnswer' in fault) return end()
    if (fault && 'cutAnswer' in fault && answered + data.length > fault.cutAnswer) {
      client.end(data.subarray(0, fault.cutAnswer - answered))
      answered = fault.cutAnswer
      upstream.destroy()
      return
    }
    answered += data.length
    if (fault && ('flipAnswer' in fault || 'halveAnswer' in fault)) {
      held = Buffer.concat([held, data])
      const body = bodyOf(held, isHead)
      if (body === undefined) return
      if ('flipAnswer' in fault) client.write(flipped(held, body, fault.flipAnswer))
      else client.end(halved(held, body))
      return
    }
    if (fault && 'trickle' in fault) {
      const size = fault.trickle
      trickling = trickling.then(async () => {
        for (let at = 0; at < data.length && !client.destroyed; at += size) {
          client.write(data.subarray(at, at + size))
          await sleep(20)
        }
      })
      return
    }
    client.write(data)
  })
}

/** Where the body of a complete answer begins and how long it is; undefined while it is not complete. */
function bodyOf(answer: Buffer, isHead: boolean): { start: number; length: number } | undefined {
  const head = answer.indexOf('\r\n\r\n')
  if (head < 0) return undefined
  const text = answer.subarray(0, head).toString()
  const start = head + 4
  if (/^transfer-encoding: *chunked/im.test(text))
    return answer.subarray(-5).toString() === '0\r\n\r\n' ? { start, length: answer.length - start } : undefined
  // The answer to a HEAD says how long a body would be that it does not have.
  const length = isHead ? 0 : Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0)
  return answer.length >= start + length ? { start, length } : undefined
}

function flipped(answer: Buffer, { start, length }: { start: number; length: number }, part: number): Buffer {
  if (length > 0) answer[start + Math.floor(part * (length - 1))]! ^= 1
  return answer
}

function halved(answer: Buffer, { start, length }: { start: number; length: number }): Buffer {
  const head = answer
    .subarray(0, start)
    .toString()
    .replace(/^(content-length: *)\d+/im, `$1${length >> 1}`)
  return Buffer.concat([Buffer.from(head), answer.subarray(start, start + (length >> 1))])
}

function response([status, headers, body]: Extract<Fault, { answer: unknown }>['answer']): string {
  const lines = [`HTTP/1.1 ${status} Status`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  const framed = 'Content-Length' in headers || 'Transfer-Encoding' in headers
  const length = framed ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  return [...lines, ...length, 'Connection: close', '', body].join('\r\n')
}

/** The document in which S3 says what went wrong. */
export function s3Error(code: string, message: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>4442587FB7D0A2F9</RequestId></Error>`
}
