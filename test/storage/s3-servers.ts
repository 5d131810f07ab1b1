/** Real S3 servers for tests, as processes on loopback: versitygw and MinIO. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { connect } from '../../src/storage/s3/client.ts'
import type { S3Credentials, S3Options } from '../../src/storage/s3/options.ts'
import { goProgram } from '../environment/go-programs.ts'
import { scratch } from './machine.ts'

export const credentials = { accessKeyId: 'lockkeeper-test', secretAccessKey: 'the-secret-of-the-tests' }

export interface S3Server {
  readonly name: string
  readonly endpoint: string
  readonly port: number
  /** Options for a store on it. */
  readonly options: S3Options
  /** Makes a new bucket and returns its name. */
  bucket(): Promise<string>
  /** versitygw only: makes a user who may do only this in the bucket, and returns its credentials. */
  user(bucket: string, actions: readonly string[]): Promise<S3Credentials>
  stop(): Promise<void>
}

export interface ServerSettings {
  readonly region?: string
  /** PEM files of a certificate for TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
}

interface Kind {
  readonly name: string
  readonly ready: string
  command(port: number, data: string, settings: ServerSettings): { args: string[]; env: Record<string, string> }
}

const kinds: Record<'versitygw' | 'minio', Kind> = {
  versitygw: {
    name: 'versitygw',
    ready: '/health',
    command: (port, data, { region = 'us-east-1', tls }) => ({
      args: [
        ...['--port', `127.0.0.1:${port}`, '--region', region, '--quiet', '--keep-alive', '--health', '/health'],
        ...(tls ? ['--cert', tls.cert, '--key', tls.key] : []),
        ...['--iam-dir', join(data, '..', 'users'), 'posix', data],
      ],
      env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    }),
  },
  minio: {
    name: 'MinIO',
    ready: '/minio/health/live',
    command: (port, data, { region = 'us-east-1' }) => ({
      args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
      env: {
        MINIO_ROOT_USER: credentials.accessKeyId,
        MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
        MINIO_SITE_REGION: region,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
    }),
  },
}

/** Milliseconds until a server has to answer. */
const startTimeout = 30_000

/** Starts a server with nothing in it and waits until it answers. */
export async function startS3Server(which: keyof typeof kinds, settings: ServerSettings = {}): Promise<S3Server> {
  const kind = kinds[which]
  const program = await goProgram(which)
  const port = await freePort()
  const folder = await mkdtemp(join(scratch, `lockkeeper-${which}-`))
  for (const name of ['data', 'users']) await mkdir(join(folder, name))
  const { args, env } = kind.command(port, join(folder, 'data'), settings)
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  const endpoint = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const stop = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answers(child, `${endpoint}${kind.ready}`, settings.tls?.ca)
  } catch (error) {
    await stop()
    throw new Error(`${kind.name} did not start: ${output}`, { cause: error })
  }
  const options: S3Options = { endpoint, region: settings.region, credentials, caBundle: settings.tls?.ca }
  let buckets = 0
  let users = 0
  return {
    name: kind.name,
    endpoint,
    port,
    options,
    stop,
    async bucket() {
      const Bucket = `bucket-${process.pid}-${++buckets}`
      const { client, close } = await connect(options)
      await client.send(new CreateBucketCommand({ Bucket }))
      close()
      return Bucket
    },
    async user(bucket, actions) {
      const user = { accessKeyId: `user-${++users}`, secretAccessKey: `the-secret-of-user-${users}` }
      const admin = ['admin', '-a', credentials.accessKeyId, '-s', credentials.secretAccessKey, '-er', endpoint]
      const create = ['create-user', '-a', user.accessKeyId, '-s', user.secretAccessKey, '-r', 'user']
      await promisify(execFile)(program, [...admin, '-r', settings.region ?? 'us-east-1', ...create])
      const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
      const statement = (Action: string, i: number) => ({
        Effect: 'Allow',
        Principal: { AWS: [user.accessKeyId] },
        Action,
        Resource: Resource[Action === 's3:ListBucket' ? 0 : 1],
        Sid: `s${i}`,
      })
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement: actions.map(statement) })
      const { client, close } = await connect(options)
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
      close()
      return user
    },
  }
}

/** Asks until it answers, it ended, or the time is over. */
async function answers(child: ChildProcess, url: string, ca: string | undefined): Promise<void> {
  const deadline = performance.now() + startTimeout
  while (child.exitCode === null && performance.now() < deadline) {
    if (await isOk(url, ca && (await readFile(ca, 'utf8')))) return
    await sleep(50)
  }
  throw new Error(child.exitCode === null ? `no answer for ${startTimeout / 1000} s` : `ended with ${child.exitCode}`)
}

function isOk(url: string, ca: string | undefined): Promise<boolean> {
  return new Promise(resolve => {
    const request = url.startsWith('https:') ? https.get(url, { ca }) : http.get(url)
    request.on('error', () => resolve(false))
    request.on('response', response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
