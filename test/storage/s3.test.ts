import { s3Store } from '../../src/storage/s3.ts'
import { objectStoreContract } from './contract.ts'
import { startS3Server } from './s3-servers.ts'

for (const which of ['versitygw', 'minio'] as const) {
  objectStoreContract(`a bucket of ${which}`, async () => {
    const server = await startS3Server(which)
    const url = `s3://${await server.bucket()}/some/prefix`
    const open = () => s3Store(url, server.options)
    return { store: await open(), another: open, dispose: server.stop }
  })
}
