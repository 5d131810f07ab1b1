/** `serve`, as the process that stays up: what it answers, that it disturbs nobody, its end, and what it refuses. */
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectOk, expectRefused, type Running } from '../support/cli.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

interface Served {
  readonly running: Running
  readonly url: string
  get(path: string): Promise<{ status: number; type: string | null; text: string }>
  /** The document at a path. */
  json(path: string): Promise<Record<string, unknown>>
  /** The metrics, by name with labels. */
  metrics(): Promise<Map<string, number>>
}

/** How long what was seen before may be shown, and a look may take, in milliseconds. */
const soon = { timeout: 20_000 }

/** One that is ended with the test. */
async function serve(place: Workplace, ...args: string[]): Promise<Served> {
  const running = place.start(['serve', '--listen', '127.0.0.1:0', ...args])
  onTestFinished(() => void running.process.kill('SIGKILL'))
  const [url = ''] = /http:[^"\s]+(?=\/)/.exec(await running.shows('listening at')) ?? []
  const get = async (path: string) => {
    const response = await fetch(url + path)
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
  }
  const json = async (path: string) => JSON.parse((await get(path)).text)
  const metrics = async () => {
    const { status, text, type } = await get('/metrics')
    expect({ status, type }).toEqual({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
    const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
    return new Map(lines.map(line => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]))
  }
  return { running, url, get, json, metrics }
}

const carts = '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;'

describe('serve', () => {
  test('is ready once the database is at the level of its migrations, and not before', async () => {
    const place = newPlace()
    place.migration('v001_carts', carts)
    const { get, json } = await serve(place)
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect((await get('/readyz')).status).toBe(503)
    expect(await json('/readyz')).toMatchObject({ ready: false, state: 'missing', pending: ['v001_carts'] })

    expectOk(await place.run(['run']))
    await expect.poll(() => json('/readyz'), soon).toMatchObject({ ready: true, level: 'v001_carts', pending: [] })
    expect((await get('/readyz')).status).toBe(200)

    place.migration('v002_more', carts.replaceAll('carts', 'more'))
    await expect.poll(() => json('/readyz'), soon).toMatchObject({ ready: false, pending: ['v002_more'] })
    expectOk(await place.run(['run']))
    await expect.poll(() => json('/readyz'), soon).toMatchObject({ ready: true, level: 'v002_more' })

    pythonSql(place.database, 'DROP TABLE more')
    await expect
      .poll(() => json('/readyz'), soon)
      .toMatchObject({ ready: false, problem: expect.stringMatching(/more/) })
    expect((await get('/readyz')).status).toBe(503)
    expect((await get('/healthz')).status).toBe(200)
  })

  test('answers with the documents of the commands', async () => {
    const place = await shop({ mode: 'wal' })
    place.migration('v002_carts', carts)
    expectOk(await place.run(['backup', '--tier', 'daily']))
    const { get, json } = await serve(place)
    for (const command of ['status', 'plan', 'history', 'backups']) {
      const printed = JSON.parse((await place.run([command, '--json'])).stdout)
      expect(await json(`/${command}`), command).toEqual(printed)
    }
    expect((await get('/status')).type).toBe('application/json')
    const { text } = await get('/')
    for (const path of ['healthz', 'readyz', 'status', 'plan', 'history', 'backups', 'metrics'])
      expect(text).toMatch(`/${path} `)
  })

  test('measures the database and the repository', async () => {
    const place = await shop()
    place.migration('v002_carts', carts)
    expectOk(await place.run(['run']))
    expectOk(await place.run(['backup', '--tier', 'daily,weekly']))
    expectOk(await place.run(['verify', '--latest']))
    const [beforeMigration, daily] = JSON.parse((await place.run(['backups', '--json'])).stdout).backups.toReversed()
    const metrics = await (await serve(place)).metrics()
    expect(Object.fromEntries(metrics)).toMatchObject({
      lockkeeper_database_readable: 1,
      lockkeeper_database_ready: 1,
      lockkeeper_database_bytes: expect.any(Number),
      'lockkeeper_schema_info{state="managed",level="v002_carts"}': 1,
      lockkeeper_migrations_applied: 2,
      lockkeeper_migrations_pending: 0,
      'lockkeeper_last_attempt_duration_seconds{action="migrate",outcome="ok"}': expect.any(Number),
      lockkeeper_repository_readable: 1,
      'lockkeeper_backups{tier="daily"}': 1,
      'lockkeeper_backups{tier="weekly"}': 1,
      'lockkeeper_backups{tier="monthly"}': 0,
      'lockkeeper_backups{tier="pre-migration"}': 1,
      lockkeeper_backups_bad: 0,
      'lockkeeper_last_backup_timestamp_seconds{tier="daily"}': Date.parse(daily.manifest.createdAt) / 1000,
      'lockkeeper_last_backup_timestamp_seconds{tier="pre-migration"}':
        Date.parse(beforeMigration.manifest.createdAt) / 1000,
      'lockkeeper_last_backup_database_bytes{tier="weekly"}': daily.manifest.database.bytes,
    })
    expect(metrics.has('lockkeeper_last_backup_timestamp_seconds{tier="monthly"}')).toBe(false)
    const attempt = metrics.get('lockkeeper_last_attempt_timestamp_seconds{action="migrate",outcome="ok"}') ?? 0
    const check = metrics.get('lockkeeper_last_good_check_timestamp_seconds{kind="verification"}') ?? 0
    for (const time of [attempt, check]) expect(Math.abs(Date.now() / 1000 - time)).toBeLessThan(300)
    expect(metrics.has('lockkeeper_last_good_check_timestamp_seconds{kind="drill"}')).toBe(false)
  })

  test('of a repository that is not there yet there are no backups', async () => {
    const metrics = await (await serve(await shop())).metrics()
    expect(metrics.get('lockkeeper_repository_readable')).toBe(1)
    expect(metrics.get('lockkeeper_backups{tier="daily"}')).toBe(0)
    expect([...metrics.keys()].filter(name => name.startsWith('lockkeeper_last_backup'))).toEqual([])
  })

  test('takes a backup that is bad for none', async () => {
    const place = await shop()
    expectOk(await place.run(['backup', '--tier', 'daily']))
    pythonSql(place.database, "INSERT INTO customers (name) VALUES ('Edith')")
    expectOk(await place.run(['backup', '--tier', 'daily']))
    const [older = '', newer = ''] = place.backups()
    const lists = await listsOf(place, newer)
    for (const list of lists) if (!(await listsOf(place, older)).includes(list)) rmSync(`${place.repository}/${list}`)
    expect((await place.run(['verify', newer])).exit).toBe(65)
    const metrics = await (await serve(place)).metrics()
    const { backups } = JSON.parse((await place.run(['backups', '--json'])).stdout)
    const good = backups.find(({ id }: { id: string }) => id === older)
    expect(metrics.get('lockkeeper_backups_bad')).toBe(1)
    expect(metrics.get('lockkeeper_backups{tier="daily"}')).toBe(2)
    expect(metrics.get('lockkeeper_last_backup_timestamp_seconds{tier="daily"}')).toBe(
      Date.parse(good.manifest.createdAt) / 1000,
    )
  })

  test('leaves out what cannot be read, and shows the rest', async () => {
    const place = await shop()
    place.env['LOCKKEEPER_REPOSITORY'] = undefined
    const without = await serve(place)
    expect([...(await without.metrics()).keys()].filter(name => /repository|backup/.test(name))).toEqual([])
    expect(await without.get('/backups')).toMatchObject({
      status: 404,
      text: expect.stringMatching(/no repository is named[\s\S]*LOCKKEEPER_REPOSITORY/),
    })

    // Port 1 is tcpmux's, which nobody runs.
    Object.assign(place.env, storeAt('http://127.0.0.1:1'), {
      LOCKKEEPER_S3_TIMEOUT: '1s',
      DATABASE_URL: place.migrations,
    })
    const broken = await serve(place)
    const { lockkeeper_database_readable, lockkeeper_repository_readable, ...rest } = Object.fromEntries(
      await broken.metrics(),
    )
    expect([lockkeeper_database_readable, lockkeeper_repository_readable]).toEqual([0, 0])
    expect(Object.keys(rest)).toEqual([expect.stringMatching(/^lockkeeper_build_info/)])
    const { status, text } = await broken.get('/status')
    expect(status).toBeGreaterThanOrEqual(500)
    expect(JSON.parse(text).error).toMatchObject({ hint: expect.stringMatching(/\w/) })
    expect((await broken.get('/readyz')).status).toBe(503)
  })

  test('says that there is nothing at another path, and takes nothing but GET and HEAD', async () => {
    const { get, url } = await serve(await shop())
    const nothing = await get('/etc/passwd')
    expect(nothing).toMatchObject({ status: 404, type: 'application/json' })
    expect(nothing.text).not.toContain('passwd')
    expect((await get('/__proto__')).status).toBe(404)
    expect((await get('/healthz?probe=1')).status).toBe(200)
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect((await fetch(`${url}/status`, { method, body: 'x' })).status).toBe(405)
    expect(await exchange(url, `GET ${url}/healthz HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 [\s\S]*\r\n\r\nok\n$/)
    const head = await fetch(`${url}/status`, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(await head.text()).toBe('')
  })

  test.each(['delete', 'wal'] as const)('disturbs nobody who writes, and touches nothing (%s)', async mode => {
    const place = await shop({ mode })
    const { get, json } = await serve(place)
    const writer = await hold(place.database, 'BEGIN IMMEDIATE; UPDATE customers SET name = upper(name)')
    expect(await json('/status')).toMatchObject({ state: 'managed', level: 'v001_shop' })
    await writer.release('COMMIT')
    const before = traceOf(place.volume)
    for (const path of ['/history', '/plan', '/metrics', '/readyz']) expect((await get(path)).status).toBe(200)
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('says that the database is in use while somebody else has it alone, and goes on afterwards', async () => {
    const place = await shop()
    const { get } = await serve(place)
    const writer = await hold(place.database, 'BEGIN EXCLUSIVE')
    const { status, text } = await get('/readyz')
    expect(status).toBe(503)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'busy' } })
    expect((await get('/healthz')).status).toBe(200)
    await writer.release('COMMIT')
    await expect.poll(async () => (await get('/readyz')).status, soon).toBe(200)
  })

  test('lets go of those who send nothing or half a request, and answers the others meanwhile', async () => {
    const { get, url } = await serve(await shop())
    const silent = [exchange(url, ''), exchange(url, 'GET /healthz HTTP/1.1\r\nHost:')]
    expect((await get('/healthz')).status).toBe(200)
    const began = performance.now()
    await Promise.all(silent)
    // Five seconds, and one until that is seen; Node by itself looks twice a minute.
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test('shows the metrics whole also where a secret is a word of theirs', async () => {
    const place = await shop()
    Object.assign(place.env, { SOME_API_KEY: 'backup', SOME_TOKEN: 'v001_shop' })
    const metrics = await (await serve(place)).metrics()
    expect(metrics.get('lockkeeper_backups{tier="daily"}')).toBe(0)
    expect(metrics.get('lockkeeper_schema_info{state="managed",level="[redacted]"}')).toBe(1)
  })

  test('shows no secret', async () => {
    const place = await shop()
    place.env['SOME_API_KEY'] = 'key-0123456789'
    place.env['LOCKKEEPER_MIGRATIONS'] = '/nowhere/key-0123456789'
    const { get, running } = await serve(place)
    for (const path of ['/status', '/plan', '/readyz', '/backups', '/metrics', '/key-0123456789'])
      expect((await get(path)).text).not.toContain('0123456789')
    running.process.kill('SIGTERM')
    expect((await running.done).output).not.toContain('0123456789')
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('is ended by %s at once, whoever is connected or waits for an answer', async (signal, exit) => {
    const place = await shop()
    // A store that takes connections and says nothing.
    const store = createServer(() => {}).listen(0, '127.0.0.1')
    onTestFinished(() => {
      store.closeAllConnections()
      store.close()
    })
    await once(store, 'listening')
    const { port } = store.address() as AddressInfo
    Object.assign(place.env, storeAt(`http://127.0.0.1:${port}`))
    const { running, url } = await serve(place)
    const idle = connect(Number(new URL(url).port), '127.0.0.1')
    idle.on('error', () => {})
    await once(idle, 'connect')
    const waiting = fetch(`${url}/backups`).catch(() => 'let go of')
    await once(store, 'request')
    running.process.kill(signal)
    expectRefused(await running.done, exit, signal)
    expect(await waiting).toBe('let go of')
  })

  test.each([
    ['a port that is taken', 'taken', /LOCKKEEPER_LISTEN/],
    ['an address of another machine', '192.0.2.1:9375', /LOCKKEEPER_LISTEN/],
    ['no port', 'localhost', /HOST:PORT/],
    ['a port that there is not', 'localhost:65536', /HOST:PORT/],
    ['no host', ':9375', /HOST:PORT/],
  ])('refuses %s', async (_, listen, culprit) => {
    const place = await shop()
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`
    expectRefused(await place.run(['serve', '--listen', listen === 'taken' ? taken : listen]), 78, culprit)
  })
})

function storeAt(endpoint: string) {
  return {
    LOCKKEEPER_REPOSITORY: 's3://bucket/app',
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'someone',
    AWS_SECRET_ACCESS_KEY: 'secret-of-someone',
    AWS_REGION: 'eu-central-1',
  }
}

/** Everything that is answered until the connection ends. */
async function exchange(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  let answer = ''
  socket.on('data', text => (answer += text)).on('error', () => {})
  socket.write(request)
  await once(socket, 'close')
  return answer
}

async function listsOf(place: Workplace, id: string): Promise<string[]> {
  const { backups } = JSON.parse((await place.run(['backups', '--json'])).stdout)
  return backups.find((backup: { id: string }) => backup.id === id).manifest.chunks.lists
}
