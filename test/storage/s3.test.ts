import { s3Store } from '../../src/storage/s3.ts'
import { patience } from '../environment/ask.ts'
import { objectStoreContract } from './contract.ts'
import { startS3Container } from './s3-containers.ts'

for (const which of ['versitygw', 'minio'] as const) {
  const open = async () => {
    const { bucket, options, stop } = await startS3Container(which)
    const another = () => s3Store(`s3://${bucket}/some/prefix`, options)
    return { store: await another(), another, dispose: stop }
  }
  objectStoreContract(`a bucket of ${which}`, open, patience)
}
