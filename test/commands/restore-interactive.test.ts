import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** A person at a pseudo terminal, who gives one answer to each question. */
const person = `
import os, pty, re, sys
answers, questions = sys.argv[1].split(','), re.compile(rb'(q to stop|yes or no): $')
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
seen = b''
while True:
    try: data = os.read(terminal, 4096)
    except OSError: break
    if not data: break
    seen += data
    if answers and questions.search(seen):
        os.write(terminal, answers.pop(0).encode() + b'\\n')
        seen += b'|'
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
`

async function atTerminal(place: Workplace, answers: string, ...args: string[]) {
  const child = spawn(
    'python3',
    ['-c', person, answers, process.execPath, program, 'restore', '--interactive', ...args],
    {
      env: { ...place.env, LOCKKEEPER_LOG_FORMAT: undefined, PATH: process.env['PATH'] },
      cwd: place.folder,
    },
  )
  let shown = ''
  child.stdout.on('data', data => (shown += data))
  const [exit] = await once(child, 'close')
  return { exit, shown }
}

async function shopOfTwoBackups(): Promise<Workplace> {
  const place = await shop()
  for (const tier of ['daily', 'weekly']) {
    pythonSql(place.database, `INSERT INTO customers (name) VALUES ('${tier}')`)
    expectOk(await place.run(['backup', '--tier', tier]))
  }
  pythonSql(place.database, 'DELETE FROM customers')
  return place
}

const customers = ({ database }: Workplace) => sqlite3(database, 'SELECT group_concat(name) FROM customers').trim()

describe('restore --interactive', () => {
  test('shows what there is, asks, and restores what was chosen', async () => {
    const place = await shopOfTwoBackups()
    const { exit, shown } = await atTerminal(place, '9,2,yes')
    expect(shown).toMatch(/#\s+age\s+tier\s+size\s+level\s+verified\s+id/)
    expect(shown).toMatch(/2\s+[\d.]+ \w+\s+daily\s+28\.0 KiB\s+v001_shop\s+unchecked\s+00000001-/)
    expect(shown).toContain('There is no 9.')
    expect(shown).toContain(`into    ${place.database}: 28.0 KiB, at v001_shop; kept first`)
    expect(exit, shown).toBe(0)
    expect(customers(place)).toBe('Ada,Grace,Barbara,daily')
  })

  test.each(['1,no', '1,', 'q'])('touches nothing when the answers are %s', async answers => {
    const place = await shopOfTwoBackups()
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const { exit, shown } = await atTerminal(place, answers)
    expect(exit, shown).toBe(130)
    expect(shown).toContain('nothing was restored')
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('is refused where there is no terminal', async () => {
    const place = await shopOfTwoBackups()
    expectRefused(await place.run(['restore', '--interactive']), 64, 'terminal', 'restore --id')
  })
})
