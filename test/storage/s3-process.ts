/** A process that stores one object in a bucket: `node s3-process.ts <url> <options as JSON>`. Says what it was answered and what time it believes it is. */

import { openStore } from '../../src/storage/open.ts'

const [url, options] = process.argv.slice(2) as [string, string]
const store = await openStore(url, { s3: JSON.parse(options) })
const answer = await store.putIfAbsent('a', new TextEncoder().encode('a'))
process.stdout.write(JSON.stringify({ answer, now: Date.now() }))
await store.close()
