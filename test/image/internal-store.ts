/** An S3 server in a network of Docker's that leads to it and nowhere else. */
import { docker, type Engine } from '../environment/docker.ts'
import { type S3Container, startS3Container } from '../storage/s3-containers.ts'
import { credentials } from '../storage/s3-servers.ts'

export interface InternalStore extends S3Container {
  /** For `docker run --network`. */
  readonly network: string
  /** What a container in that network has to know of it, beside the bucket. */
  readonly env: Readonly<Record<string, string>>
}

const nameThere = 's3'

/** Stop it before the tests are over: only that removes the network. */
export async function startInternalStore(engine: Engine): Promise<InternalStore> {
  await using started = new AsyncDisposableStack()
  const network = `lockkeeper-test-${process.pid}`
  await docker(engine, ['network', 'create', '--internal', network])
  started.defer(async () => void (await docker(engine, ['network', 'rm', network])))
  const server = await startS3Container('versitygw')
  started.defer(server.stop)
  await docker(engine, ['network', 'connect', '--alias', nameThere, network, server.id])
  const all = started.move()
  return {
    ...server,
    network,
    env: {
      AWS_ENDPOINT_URL_S3: `http://${nameThere}:${server.port}`,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    stop: () => all.disposeAsync(),
  }
}
