/**
 * A process of its own that holds something until its standard input ends: `lock NAME`, the machine lock of that name;
 * `engine FOLDER`, a Docker Engine without a network. It prints a line of JSON when it has it, and one after it let go.
 */
import { once } from 'node:events'
import { leaseEngine } from './docker-lease.ts'
import { withMachineLock } from './machine-lock.ts'

const [what, which = ''] = process.argv.slice(2)
const say = (value: unknown) => console.log(JSON.stringify(value))
const told = async () => {
  process.stdin.resume()
  await once(process.stdin, 'end')
}

if (what === 'lock') {
  await withMachineLock(which, async () => {
    say('held')
    await told()
  })
} else {
  const lease = await leaseEngine(which, ['--bridge=none', '--iptables=false'])
  say({ host: lease.host, pid: lease.pid })
  await told()
  say({ ended: await lease.release() })
}
