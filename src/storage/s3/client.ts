/** The AWS SDK's client, set up for AWS and for servers that speak its protocol. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { homedir } from 'node:os'
import { getCACertificates } from 'node:tls'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { LockkeeperError, messageOf } from '../../errors.ts'
import { NoCredentials } from './attempts.ts'
import type { S3Options } from './options.ts'

export interface Connection {
  readonly client: S3Client
  /** Where requests go, for messages: the endpoint of your own, or AWS with the region. */
  readonly place: string
  readonly region: string
  readonly pathStyle: boolean
  /** Whether whoever gives credentials has been asked and has not answered. */
  waitsForCredentials(): boolean
  close(): void
}

/** With an endpoint of your own, the region is only a part of the signature, and this is what such servers expect. */
const usualRegion = 'us-east-1'

/** Makes the client. Reads the SDK's configuration and the CA bundle, and talks to nobody yet. Rejects with `config`. */
export async function connect(options: S3Options): Promise<Connection> {
  checkEndpoint(options.endpoint)
  checkHome()
  const agents = await makeAgents(options)
  const settings: S3ClientConfig = {
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    requestHandler: {
      ...agents,
      connectionTimeout: options.timeouts?.connect ?? 5_000,
      socketTimeout: options.timeouts?.idle ?? 30_000,
    },
    // Attempts are made by `withAttempts`, which has to know about each of them.
    maxAttempts: 1,
    // The body is signed with its SHA-256, which the server checks: more than a CRC could do, and every server knows it.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With `Expect: 100-continue` the SDK would leave our agents, and the proxy with them, aside.
    expectContinueHeader: false,
    // Or else the SDK prints by itself.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  }
  let client = new S3Client(settings)
  const endpoint = options.endpoint ?? (await client.config.serviceConfiguredEndpoint?.())
  checkEndpoint(endpoint)
  const { pathStyle: style = 'auto' } = options
  const pathStyle = style === 'on' || (style === 'auto' && endpoint !== undefined)
  const region = await regionOf(client, endpoint)
  client = new S3Client({ ...settings, region, forcePathStyle: pathStyle })
  useContentMd5(client)
  const waitsForCredentials = watchCredentials(client)
  return {
    waitsForCredentials,
    client,
    region,
    pathStyle,
    place: endpoint ?? `AWS in ${region}`,
    close() {
      client.destroy()
      agents.httpAgent.destroy()
      agents.httpsAgent.destroy()
    },
  }
}

async function regionOf(client: S3Client, endpoint: string | undefined): Promise<string> {
  try {
    return await client.config.region()
  } catch (error) {
    if (endpoint !== undefined) return usualRegion
    throw new LockkeeperError('config', 'no AWS region is set for the repository', {
      hint: 'Set AWS_REGION to the region of the bucket; for a server of your own set AWS_ENDPOINT_URL_S3 to its address.',
      cause: new Error(messageOf(error)),
    })
  }
}

/** The SDK looks for its files there, whether it needs them or not. */
function checkHome(): void {
  try {
    homedir()
  } catch (error) {
    throw new LockkeeperError('config', 'this user has no home folder, and the AWS SDK looks for its files there', {
      hint: 'Set HOME to any folder; it need not exist.',
      cause: error,
    })
  }
}

/** What fails or takes too long while credentials are being had would look like the object store's doing. */
function watchCredentials(client: S3Client): () => boolean {
  const { credentials } = client.config
  let waiting = 0
  client.config.credentials = async options => {
    waiting++
    try {
      return await credentials(options)
    } catch (error) {
      throw new NoCredentials(error)
    } finally {
      waiting--
    }
  }
  return () => waiting > 0
}

function checkEndpoint(endpoint: string | undefined): void {
  if (endpoint === undefined) return
  const url = URL.parse(endpoint)
  const wrong = (why: string) =>
    new LockkeeperError('config', `the endpoint of the object store ${why}`, {
      hint: 'Write it as https://host or http://host:port.',
    })
  if (url === null || !/^https?:$/.test(url.protocol)) throw wrong('is not an address with http: or https:')
  if (url.username !== '' || url.password !== '')
    throw wrong('contains a user name or a password; credentials have settings of their own')
  if (url.search !== '' || url.hash !== '') throw wrong(`may not contain ? or #: ${endpoint}`)
}

async function makeAgents({ caBundle, proxy }: S3Options): Promise<{ httpAgent: HttpAgent; httpsAgent: HttpsAgent }> {
  const proxyEnv = {
    ...(proxy?.https ? { HTTPS_PROXY: checkedProxy(proxy.https) } : {}),
    ...(proxy?.http ? { HTTP_PROXY: checkedProxy(proxy.http) } : {}),
    ...(proxy?.none ? { NO_PROXY: proxy.none } : {}),
  }
  // Connections are not counted here but by the store: a body that nobody reads yet would block those who wait.
  const shared = { keepAlive: true, ...(proxy === undefined ? {} : { proxyEnv }) }
  const ca = caBundle === undefined ? {} : { ca: [...getCACertificates('default'), await readBundle(caBundle)] }
  return { httpAgent: new HttpAgent(shared), httpsAgent: new HttpsAgent({ ...shared, ...ca }) }
}

function checkedProxy(url: string): string {
  const { protocol = '', username = '', password = '' } = URL.parse(url) ?? {}
  // Not the URL itself: it may contain a password.
  const wrong = (why: string) =>
    new LockkeeperError('config', `the proxy for the object store ${why}`, {
      hint: 'Write HTTPS_PROXY as http://host:port, or http://user:password@host:port with %25 for a % in the password.',
    })
  if (!/^https?:$/.test(protocol)) throw wrong('is not an address with http: or https:')
  try {
    decodeURIComponent(username + password)
  } catch {
    throw wrong('has a user or a password with a % that does not stand for another character')
  }
  return url
}

async function readBundle(path: string): Promise<string> {
  const wrong = (why: string, cause?: unknown) =>
    new LockkeeperError('config', `the CA bundle ${path} ${why}`, {
      hint: 'Name a file with certificates in PEM format, as the variable AWS_CA_BUNDLE does.',
      cause,
    })
  let pem: string
  try {
    pem = await readFile(path, 'utf8')
  } catch (error) {
    throw wrong(`cannot be read: ${messageOf(error)}`, error)
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw wrong('contains no certificate')
  return pem
}

/**
 * DeleteObjects needs a checksum. The SDK sends a CRC, which servers that are a little older refuse; everybody knows the
 * MD5 that it replaced.
 */
function useContentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => args => {
      const request = args.request as { headers?: Record<string, string>; body?: unknown }
      if (context.commandName === 'DeleteObjectsCommand' && request.headers !== undefined) {
        for (const name of Object.keys(request.headers)) {
          if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name]
        }
        const body = request.body as string | Uint8Array
        request.headers['content-md5'] = createHash('md5').update(body).digest('base64')
      }
      return next(args)
    },
    { name: 'lockkeeperContentMd5', step: 'build', priority: 'low' },
  )
}
