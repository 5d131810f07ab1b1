/** A small image registry on loopback, which engines speak to without TLS: one image of one file, for tests of pulling. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'

export interface Registry {
  /** The image's name. */
  readonly image: string
  /** Paths that were asked for. */
  readonly requests: readonly string[]
}

/** It is gone when the test ends. */
export async function startRegistry(): Promise<Registry> {
  const layer = await layerOfOneFile()
  const packed = gzipSync(layer)
  const configuration = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest(layer)] } }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: described(configuration, 'application/vnd.docker.container.image.v1+json'),
      layers: [described(packed, 'application/vnd.docker.image.rootfs.diff.tar.gzip')],
    }),
  )
  const blobs = new Map([configuration, packed].map(blob => [digest(blob), blob]))
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    const blob = blobs.get(path.replace('/v2/one/blobs/', ''))
    if (path === '/v2/') response.end()
    else if (path.startsWith('/v2/one/manifests/'))
      response
        .setHeader('content-type', manifestType)
        .setHeader('docker-content-digest', digest(manifest))
        .setHeader('content-length', manifest.length)
        .end(request.method === 'HEAD' ? undefined : manifest)
    else if (blob !== undefined) response.setHeader('content-length', blob.length).end(blob)
    else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { image: `127.0.0.1:${(server.address() as AddressInfo).port}/one:1`, requests }
}

/** Takes connections and never says a word; gone when the test ends. @returns the name of an image there */
export async function startSilence(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    sockets.add(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}/one:1`
}

async function layerOfOneFile(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-layer-'))
  try {
    await writeFile(join(folder, 'pulled'), 'from the registry\n')
    return execFileSync('tar', ['-C', folder, '-cf', '-', 'pulled'])
  } finally {
    await rm(folder, { recursive: true })
  }
}

function described(blob: Buffer, mediaType: string) {
  return { mediaType, size: blob.length, digest: digest(blob) }
}

function digest(blob: Buffer): string {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`
}
