/** The way to a server of this machine, which can be cut. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Way {
  readonly port: number
  /** Resets what is open, and whatever comes. */
  cut(): void
  mend(): void
  end(): void
}

export async function wayTo(port: number): Promise<Way> {
  const open = new Set<Socket>()
  let isCut = false
  const server = createServer(client => {
    if (isCut) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    isCut = true
    for (const socket of open) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    mend: () => {
      isCut = false
    },
    end: () => {
      cut()
      server.close()
    },
  }
}
