/**
 * One at a time on this machine: for what two test runs must not do at once. The lock is a name in Linux's abstract
 * socket namespace, so it is the kernel's and is gone the moment its holder is. Elsewhere there is none, and nothing
 * that needs one: only a Debian machine installs and builds things for itself.
 */
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Between two looks at a lock that somebody holds, in milliseconds. */
const interval = 200

/** Runs `work` while holding the lock of that name; waits for it as long as `patience` says, in milliseconds. */
export async function withMachineLock<T>(name: string, work: () => Promise<T>, patience?: number): Promise<T> {
  const release = await takeMachineLock(name, patience)
  try {
    return await work()
  } finally {
    release()
  }
}

/** Takes the lock of that name. @returns what lets go of it */
export async function takeMachineLock(name: string, patience = 30 * 60_000): Promise<() => void> {
  if (process.platform !== 'linux') return () => {}
  const deadline = performance.now() + patience
  let lock = await takeName(name)
  while (lock === undefined) {
    if (performance.now() > deadline)
      throw new Error(`Another test run has been busy with ${name} for ${patience / 1000} s: is it stuck?`)
    await sleep(interval)
    lock = await takeName(name)
  }
  const taken = lock
  return () => void taken.close()
}

/** Where a name is in the abstract namespace. */
export function abstractAddress(name: string): string {
  return `\0lockkeeper-test/${name}`
}

/** A server at that name, or undefined when it is somebody's. Its connections stay open after the other end has finished. */
export function takeName(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true })
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(abstractAddress(name), () => resolve(server))
  })
}
