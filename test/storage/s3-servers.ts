/** Real S3 servers for tests, as processes on loopback: versitygw and MinIO. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  CreateBucketCommand,
  ListBucketsCommand,
  type ObjectLockRetentionMode,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
} from '@aws-sdk/client-s3'
import { connect } from '../../src/storage/s3/client.ts'
import type { S3Credentials, S3Options } from '../../src/storage/s3/options.ts'
import { goProgram } from '../environment/go-programs.ts'
import { scratch } from './machine.ts'

export const credentials = { accessKeyId: 'lockkeeper-test', secretAccessKey: 'the-secret-of-the-tests' }

export interface S3Server {
  readonly name: string
  readonly endpoint: string
  readonly port: number
  /** The folder with its data; versitygw keeps each object as a file, a folder for each bucket. */
  readonly data: string
  /** Options for a store on it. */
  readonly options: S3Options
  /** Makes a new bucket and returns its name. */
  bucket(kind?: BucketKind): Promise<string>
  /** versitygw only: makes a user who may do only this in the bucket, and returns its credentials. */
  user(bucket: string, actions: readonly string[]): Promise<S3Credentials>
  stop(): Promise<void>
}

/** `versioned`: what is deleted or replaced stays as an older version. `GOVERNANCE`, `COMPLIANCE`: and is locked for a day. */
export type BucketKind = 'plain' | 'versioned' | ObjectLockRetentionMode

export interface ServerSettings {
  readonly region?: string
  /** PEM files of a certificate for TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
}

interface Kind {
  readonly name: string
  command(port: number, data: string, settings: ServerSettings): { args: string[]; env: Record<string, string> }
}

const kinds: Record<'versitygw' | 'minio', Kind> = {
  versitygw: {
    name: 'versitygw',
    command: (port, data, { region = 'us-east-1', tls }) => ({
      args: [
        ...['--port', `127.0.0.1:${port}`, '--region', region, '--quiet', '--keep-alive'],
        ...(tls ? ['--cert', tls.cert, '--key', tls.key] : []),
        ...['--iam-dir', join(data, '..', 'users'), 'posix', '--versioning-dir', join(data, '..', 'versions'), data],
      ],
      env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    }),
  },
  minio: {
    name: 'MinIO',
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
  for (const name of ['data', 'users', 'versions']) await mkdir(join(folder, name))
  const { args, env } = kind.command(port, join(folder, 'data'), settings)
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  const endpoint = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const options: S3Options = { endpoint, region: settings.region, credentials, caBundle: settings.tls?.ca }
  const stop = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answers(child, options)
  } catch (error) {
    await stop()
    throw new Error(`${kind.name} did not start: ${output}`, { cause: error })
  }
  let buckets = 0
  let users = 0
  return {
    name: kind.name,
    endpoint,
    port,
    data: join(folder, 'data'),
    options,
    stop,
    async bucket(kind = 'plain') {
      const Bucket = `bucket-${process.pid}-${++buckets}`
      const { client, close } = await connect(options)
      const lock = kind === 'GOVERNANCE' || kind === 'COMPLIANCE'
      await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock }))
      const Status = 'Enabled'
      if (kind === 'versioned')
        await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
      if (lock) {
        const Rule = { DefaultRetention: { Mode: kind, Days: 1 } }
        const ObjectLockConfiguration = { ObjectLockEnabled: Status, Rule } as const
        await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
      }
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

/** Asks until it lists its buckets, it ended, or the time is over. MinIO says that it lives before it does that. */
async function answers(child: ChildProcess, options: S3Options): Promise<void> {
  const { client, close } = await connect(options)
  const deadline = performance.now() + startTimeout
  let failure: unknown
  try {
    while (child.exitCode === null && performance.now() < deadline) {
      try {
        await client.send(new ListBucketsCommand())
        return
      } catch (error) {
        failure = error
        await sleep(50)
      }
    }
  } finally {
    close()
  }
  const what = child.exitCode === null ? `no answer for ${startTimeout / 1000} s` : `ended with ${child.exitCode}`
  throw new Error(what, { cause: failure })
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
