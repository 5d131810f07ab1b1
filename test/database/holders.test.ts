import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DatabaseProcess } from '../../src/database/child-process.ts'
import { describeHolders } from '../../src/database/holder-watch.ts'
import { holdersOf, lockOnDatabase, lockOnIndex, parseLocks } from '../../src/database/holders.ts'
import { fileUri } from '../../src/database/location.ts'
import { kindOfLock } from '../../src/database/lock-kind.ts'
import { database, freshFolder, type Mode, makeDatabase } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'

async function idleChild(): Promise<DatabaseProcess> {
  const child = DatabaseProcess.start()
  onTestFinished(() => child.close())
  return child
}

const states: readonly [string, Mode, string[], string[], string | undefined][] = [
  ['reads', 'rollback', ['BEGIN', 'SELECT * FROM t'], ['a shared lock'], 'a shared lock'],
  [
    'is about to write',
    'rollback',
    ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (2)'],
    ['a reserved lock', 'a shared lock'],
    'a reserved lock',
  ],
  ['writes', 'rollback', ['BEGIN EXCLUSIVE'], ['an exclusive lock'], 'an exclusive or pending lock'],
  ['is idle', 'rollback', ['SELECT * FROM t'], [], undefined],
  ['is idle', 'wal', ['SELECT * FROM t'], ['a shared lock'], 'a shared lock (in WAL mode an open connection has one)'],
  [
    'reads',
    'wal',
    ['BEGIN', 'SELECT * FROM t'],
    ['a shared lock', 'a WAL read slot'],
    'a shared lock (in WAL mode an open connection has one)',
  ],
  [
    'writes',
    'wal',
    ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (2)'],
    ['a shared lock', 'the WAL write slot', 'a WAL read slot'],
    'the WAL write slot',
  ],
  [
    'has it for itself',
    'wal',
    ['PRAGMA locking_mode = EXCLUSIVE', 'BEGIN EXCLUSIVE'],
    ['a pending lock', 'an exclusive lock'],
    'an exclusive or pending lock',
  ],
]

describe.each(states)('a process that %s, in %s mode', (_, mode, statements, locks, kind) => {
  it('is named with its locks', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run(...statements)
    const [holder, ...others] = await holdersOf(path, [])
    expect(others).toEqual([])
    expect(holder).toMatchObject({ pid: peer.pid, command: expect.stringMatching(/^python\S* \S+peer\.py$/) })
    expect(holder?.locks.toSorted()).toEqual(locks.toSorted())
  })

  it('is told by the kind of its lock where it cannot be seen, and is not disturbed', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run(...statements)
    const asked = kindOfLock(await idleChild(), fileUri(path, { mode: 'rw' }))
    expect(await asked).toBe(kind ?? 'a shared lock')
    if (statements[0]?.startsWith('BEGIN')) await peer.run('COMMIT')
    expect(await peer.run('SELECT min(n) FROM t')).toEqual([[1]])
  })
})

describe('the holders of a database', () => {
  it('are several where several read, and not those that are to be left out', async () => {
    const path = await database('rollback')
    const peers = [await Peer.open(path), await Peer.open(path)]
    for (const peer of peers) await peer.run('BEGIN', 'SELECT * FROM t')
    const pids = peers.map(({ pid }) => pid)
    const found = await holdersOf(path, [])
    expect(found.map(({ pid }) => pid).toSorted()).toEqual(pids.toSorted())
    expect(await holdersOf(path, pids)).toEqual([])
    expect(describeHolders(found)).toMatch(
      /^process \d+ \(python\S* \S+peer\.py\) holds a shared lock; process \d+ .* holds a shared lock$/,
    )
  })

  it('are found by device and inode, whatever the path', async () => {
    const path = makeDatabase(join(await freshFolder(), 'größe 100% #1?.db'), 'wal', 'CREATE TABLE t (n)')
    const peer = await Peer.open(path)
    await peer.run('SELECT * FROM t')
    expect(await holdersOf(path, [])).toMatchObject([{ pid: peer.pid }])
  })

  it('are named without what could be a password', async () => {
    const path = await database('rollback')
    const hold =
      "import sqlite3, sys; db = sqlite3.connect(sys.argv[2]); db.execute('BEGIN EXCLUSIVE'); print(1, flush=True); sys.stdin.read()"
    const child = spawn('python3', ['-c', hold, '--password=hunter2', path])
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    expect(await holdersOf(path, [])).toMatchObject([{ command: expect.stringMatching(/^python\S*$/) }])
  })

  it('are nobody where nobody has it', async () => {
    const path = await database('wal')
    expect(await holdersOf(path, [])).toEqual([])
    expect(await holdersOf(join(await freshFolder(), 'missing.db'), [])).toEqual([])
    expect(describeHolders([])).toBe('the process is not visible from here')
  })
})

describe('a line of the kernel’s list', () => {
  const text = `1: FLOCK  ADVISORY  WRITE 18869 fe:00:10585144 0 EOF
2: POSIX  ADVISORY  READ 6170 fe:00:9977858 1073741826 1073742335
2: -> POSIX  ADVISORY  WRITE 6171 fe:00:9977858 1073741826 1073742335
3: OFDLCK ADVISORY  WRITE -1 103:1a:77 0 EOF
`

  it('is taken apart; whoever only waits holds nothing', () => {
    expect(parseLocks(text)).toEqual([
      { pid: 6170, write: false, device: 'fe:00', inode: '9977858', start: 1073741826, end: 1073742335 },
      { pid: -1, write: true, device: '103:1a', inode: '77', start: 0, end: Number.POSITIVE_INFINITY },
    ])
    expect(parseLocks('')).toEqual([])
  })

  it('means what SQLite means by its bytes, and nothing elsewhere', () => {
    const at = (start: number, end = start, write = true) => ({ start, end, write })
    const pending = 0x40000000
    expect(lockOnDatabase(at(pending, pending + 511))).toBe('an exclusive lock')
    expect(lockOnDatabase(at(pending + 2, pending + 511, false))).toBe('a shared lock')
    expect(lockOnDatabase(at(pending))).toBe('a pending lock')
    expect(lockOnDatabase(at(pending + 1))).toBe('a reserved lock')
    expect(lockOnDatabase(at(0))).toBeUndefined()
    const slots = Array.from({ length: 9 }, (_, slot) => lockOnIndex(at(120 + slot)))
    expect(slots).toEqual([
      'the WAL write slot',
      'the WAL checkpoint slot',
      'the WAL recover slot',
      ...Array(5).fill('a WAL read slot'),
      undefined,
    ])
  })
})
