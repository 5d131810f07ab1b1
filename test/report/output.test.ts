/** What is written arrives, whatever sort of thing is at the other end. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { python } from '../support/peers.ts'

/** More than a pipe or a socket takes. */
const lines = 10_000
const program = `
import { directOutput } from ${JSON.stringify(new URL('../../src/report/output.ts', import.meta.url).href)}
const output = directOutput(1, () => process.stdout)
for (let line = 0; line < ${lines}; line++) output.write(\`line \${line} \u00e4\\n\`)
await output.flushed()
process.exit(0)
`
const expected = Array.from({ length: lines }, (_, line) => `line ${line} ä\n`).join('')

test('a pipe that is read slowly', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout?.setEncoding('utf8').pause()
  await once(child, 'spawn')
  let text = ''
  child.stdout?.on('data', (part: string) => {
    text += part
  })
  child.stdout?.resume()
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
  expect(text).toBe(expected)
})

/** Starts the program with a pipe that does not wait, and reads only when that is full. */
const notWaiting = `
import fcntl, os, select, subprocess, sys
reading, writing = os.pipe()
fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
os.set_blocking(writing, False)
child = subprocess.Popen(sys.argv[1:], stdout=writing)
while select.select([], [writing], [], 0)[1] and child.poll() is None: pass
os.close(writing)
sys.stdout.buffer.write(open(reading, 'rb').read())
sys.stdout.buffer.flush()
sys.exit(child.wait())
`

test('a pipe that is full and does not wait: what it does not take at once follows in order', () => {
  expect(python(notWaiting, [process.execPath, '--input-type=module', '--eval', program])).toBe(expected)
})
