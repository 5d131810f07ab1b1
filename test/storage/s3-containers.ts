/** Real S3 servers for tests, in containers: the images that people run. */
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { GenericContainer, Wait } from 'testcontainers'
import { connect } from '../../src/storage/s3/client.ts'
import type { S3Options } from '../../src/storage/s3/options.ts'
import { image } from '../environment/ask.ts'
import { images } from '../environment/images.ts'
import { credentials } from './s3-servers.ts'

export interface S3Container {
  /** Of the container. */
  readonly id: string
  /** At which it listens in its container. */
  readonly port: number
  /** As this machine reaches it. */
  readonly options: S3Options
  readonly bucket: string
  stop(): Promise<void>
}

const servers = {
  versitygw: {
    image: images.versitygw,
    port: 7070,
    command: ['--port', ':7070', '--health', '/health', 'posix', '/data'],
    environment: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    ready: Wait.forHttp('/health', 7070),
  },
  minio: {
    image: images.minio,
    port: 9000,
    command: ['server', '/data'],
    environment: { MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey },
    ready: Wait.forHttp('/minio/health/ready', 9000),
  },
} as const

/** Starts a server with one empty bucket. */
export async function startS3Container(which: keyof typeof servers): Promise<S3Container> {
  const { command, environment, image: name, port, ready } = servers[which]
  await image(name)
  // Its helper's image cannot be had everywhere; every suite stops what it started.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  const container = await new GenericContainer(name)
    .withEnvironment(environment)
    .withCommand([...command])
    .withTmpFs({ '/data': 'rw' })
    .withExposedPorts(port)
    .withWaitStrategy(ready)
    .start()
  const stop = async () => void (await container.stop())
  try {
    const endpoint = `http://${container.getHost()}:${container.getMappedPort(port)}`
    const options: S3Options = { endpoint, credentials }
    const bucket = 'contract'
    await createBucket(options, bucket)
    return { id: container.getId(), port, options, bucket, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function createBucket(options: S3Options, Bucket: string): Promise<void> {
  const { client, close } = await connect(options)
  try {
    await client.send(new CreateBucketCommand({ Bucket }))
  } finally {
    close()
  }
}
