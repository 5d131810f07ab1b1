/** What can be wrong with V1 data, all of it told at once and with its place; and what is read in other ways of writing. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import { readV1 } from '../../src/fossawork/read.ts'
import { looksSecret } from '../../src/fossawork/secrets.ts'
import { ids, sampleFolder } from '../support/v1.ts'

const [ada, grace] = ids
const encryption = { password: 'made up', salt: undefined }
let folder: string

beforeEach(() => {
  const made = mkdtempSync(join(tmpdir(), 'lockkeeper-v1-'))
  folder = made
  cpSync(sampleFolder('v1-app'), made, { recursive: true })
  onTestFinished(() => rmSync(made, { recursive: true }))
})

function write(file: string, content: unknown): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(
    join(folder, file),
    typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content),
  )
}

// biome-ignore lint/suspicious/noExplicitAny: V1's files have any shape.
const json = (file: string): any => JSON.parse(readFileSync(join(folder, file), 'utf8'))
const of = (name: string) => `users/${ada}/${name}`

async function refusal(): Promise<LockkeeperError> {
  try {
    await readV1(folder, encryption)
  } catch (error) {
    if (error instanceof LockkeeperError) return error
    throw error
  }
  throw new Error('it was not refused')
}

const rowsOf = async (table: string) => (await readV1(folder, encryption)).rows.filter(row => row.table === table)

describe('refused, with the file and what to do', () => {
  const users = 'users/users.json'
  const wrong: readonly [string, () => void, RegExp][] = [
    [
      'no users.json',
      () => rmSync(join(folder, users)),
      /users\/users\.json: is not there\. Is this the V1 data folder/,
    ],
    ['users.json that is text', () => write(users, '"users"'), /users\.json: is neither a list nor an object/],
    [
      'JSON that cannot be parsed',
      () => write(of('activity_log.json'), '[{"a": }]'),
      /activity_log\.json: is not JSON/,
    ],
    [
      'a list under two names',
      () => write(of('completed_jobs.json'), { completedJobs: [], completed_jobs: [{ jobId: 'j' }] }),
      /completed_jobs\.json: has both completedJobs and completed_jobs/,
    ],
    [
      'dispensers under two names',
      () => write(of('dispenser_store.json'), { dispenserData: {}, dispenser_data: { 'W-1': {} } }),
      /dispenserData and dispenser_data say different things/,
    ],
    [
      'visits as a list',
      () => write(of('scraped_content.json'), [{ id: 'W-1', customerName: 'Wawa', visits: [] }]),
      /visits is no object/,
    ],
    [
      'a pipe',
      () => {
        rmSync(join(folder, of('activity_log.json')))
        execFileSync('mkfifo', [join(folder, of('activity_log.json'))])
      },
      /activity_log\.json: is no regular file/,
    ],
    [
      'a number that no column holds',
      () => write(of('prover_preferences.json'), [{ proverId: 'p', name: 'P', priority: 1e17 }]),
      /prover_preferences\.json/,
    ],
    [
      'the tutorial under its id',
      () => {
        const tutorial = { id: 'f'.repeat(32), email: 't@example.org', isTutorial: true }
        write(
          users,
          [...json(users), tutorial].filter((each, at, all) => !each.isTutorial || at === all.length - 1),
        )
        write(`users/${tutorial.id}/email_settings.json`, {})
      },
      /is the folder of the tutorial entry under its id/,
    ],
    ['an empty file', () => write(of('email_settings.json'), ''), /email_settings\.json: is not JSON/],
    [
      'a file that is not UTF-8',
      () => write('settings.json', Buffer.from([0x22, 0xe9, 0x22])),
      /settings\.json: is not UTF-8/,
    ],
    [
      'a key twice',
      () => write('settings.json', '{"theme": 1, "theme": 2}'),
      /settings\.json: has the key "theme" twice/,
    ],
    ['settings that are a list', () => write('settings.json', []), /settings\.json: is no object/],
    [
      'a folder of nobody',
      () => write('users/0123456789abcdef0123456789abcdef/x.json', {}),
      /users\/0123.*: is the folder of nobody in users\.json\. Add that user/,
    ],
    [
      'an id that is not of the mail',
      () => write(users, json(users).with(0, { ...json(users)[0], email: 'other@example.org' })),
      new RegExp(
        `entry 1: its id is not the MD5 of its mail, ${createHash('md5').update('other@example.org').digest('hex')}`,
      ),
    ],
    ['a user without a mail', () => write(users, json(users).with(1, { id: grace })), /entry 2: email is missing/],
    [
      'a user without an id',
      () => write(users, [...json(users), { email: 'x@example.org' }]),
      /entry 5: id is missing/,
    ],
    [
      'a user twice',
      () => write(users, [...json(users), json(users)[0]]),
      new RegExp(`entry 5: the id ${ada} is there twice`),
    ],
    ['a user that is a text', () => write(users, [...json(users), 'Ada']), /entry 5: is no object/],
    [
      'an id that is another than its key',
      () => write(users, { [ada]: { ...json(users)[0], id: grace } }),
      /its id is another than its key/,
    ],
    [
      'a date that is none',
      () => write(users, json(users).with(0, { ...json(users)[0], lastUsed: '02/30/2025' })),
      /entry 1: lastUsed is no date\. Write MM\/DD\/YYYY/,
    ],
    [
      'a date that is a number',
      () => write(of('activity_log.json'), [{ timestamp: 5, activity: 'x' }]),
      /entry 1: timestamp is no date/,
    ],
    [
      'an activity without its kind',
      () => write(of('activity_log.json'), [{ timestamp: '2025-05-01' }]),
      /entry 1: activity is missing/,
    ],
    [
      'a log that is an object',
      () => write(of('activity_log.json'), { entries: 1 }),
      /is neither a list nor an object with a list activities/,
    ],
    [
      'a work order twice',
      () => write(of('scraped_content.json'), { workOrders: [order('W-1'), order('W-1')] }),
      /work order 2: the id W-1 is there twice/,
    ],
    [
      'a work order without a number',
      () => write(of('scraped_content.json'), [{ customerName: 'Wawa' }]),
      /work order 1: id is missing/,
    ],
    [
      'a work order with two numbers',
      () => write(of('scraped_content.json'), [{ ...order('W-1'), id: 'W-2' }]),
      /id and workOrderId are two numbers/,
    ],
    [
      'a work order of nobody',
      () => write(of('scraped_content.json'), [{ id: 'W-1' }]),
      /the name of its customer is missing/,
    ],
    [
      'a visit on a day that there is not',
      () =>
        write(of('scraped_content.json'), [
          { ...order('W-1'), visits: { nextVisit: { date: '13/01/2025', time: '00:00' } } },
        ]),
      /work order 1: date, with time, is no date/,
    ],
    [
      'a text that is an object',
      () => write(of('scraped_content.json'), [{ ...order('W-1'), notes: {} }]),
      /notes is no text/,
    ],
    [
      'half a character',
      () => write(of('scraped_content.json'), '[{"id": "W-1", "customerName": "\\ud800"}]'),
      /customerName has characters that no text may have/,
    ],
    [
      'one thing in two ways of writing',
      () => write(of('scraped_content.json'), [{ ...order('W-1'), storeNumber: '1', store_number: '2' }]),
      /storeNumber and store_number say different things/,
    ],
    [
      'dispensers that are a list',
      () => write(of('dispenser_store.json'), []),
      /is no object with an object dispenserData/,
    ],
    [
      'a dispenser that is a number',
      () => write(of('dispenser_store.json'), { dispenserData: { 'W-110001': { dispensers: [5] } } }),
      /work order W-110001, dispenser 1: is no object/,
    ],
    [
      'a prover twice',
      () => write(of('prover_preferences.json'), [{ proverId: 'a' }, { prover_id: 'a' }]),
      /prover 2: the id a is there twice/,
    ],
    [
      'a prover with half a priority',
      () => write(of('prover_preferences.json'), [{ proverId: 'a', priority: 0.5 }]),
      /priority is no whole number/,
    ],
    ['a job without an id', () => write(of('completed_jobs.json'), [{}]), /entry 1: jobId is missing/],
    ['a batch twice', () => write(of('batch_history.json'), [{ id: 'b' }, { id: 'b' }]), /the id b is there twice/],
    [
      'preferences that are a number',
      () => write(of('email_settings.json'), '5'),
      /email_settings\.json: is neither an object nor a list/,
    ],
    [
      'credentials without a password',
      () => write(of('work_fossa_credentials.json'), { username: 'ada' }),
      /password is missing/,
    ],
    [
      'changes that are not UTF-8',
      () => write(of('schedule_changes.txt'), Buffer.from([0xff])),
      /schedule_changes\.txt: is not UTF-8 text/,
    ],
  ]
  test.each(wrong)('%s', async (_, spoil, says) => {
    spoil()
    const error = await refusal()
    expect(error).toMatchObject({ code: 'invalid', hint: expect.stringContaining('Nothing was imported') })
    expect(error.message).toMatch(says)
  })

  test('all of it at once, each once', async () => {
    write('settings.json', '[')
    write(of('email_settings.json'), '{')
    write(of('prover_preferences.json'), '{')
    write('users/nobody/x', '')
    write(users, json(users).with(1, {}))
    const { details, message } = await refusal()
    expect(message).toMatch(/^7 things are wrong/)
    expect((details['problems'] as { file: string }[]).map(({ file }) => file).sort()).toEqual(
      [
        of('email_settings.json'),
        of('prover_preferences.json'),
        'settings.json',
        `users/${grace}`,
        'users/nobody',
        users,
        users,
      ].sort(),
    )
  })

  test.each([
    ['', 'not-there'],
    ['settings.json', ''],
    ['users', ''],
  ])('no such folder, or none of V1: %j %j', async (removed, name) => {
    if (removed === 'users') rmSync(join(folder, 'users'), { recursive: true })
    const path = removed === 'settings.json' ? join(folder, removed) : join(folder, name)
    await expect(readV1(path, encryption)).rejects.toMatchObject({
      code: 'missing',
      hint: expect.stringContaining('--data'),
    })
  })
})

function order(number: string) {
  return { workOrderId: number, customerName: 'Wawa #1' }
}

describe('read in every way of writing', () => {
  test('a work order in snake_case, with its parts in places of either dialect', async () => {
    write(of('scraped_content.json'), [
      {
        work_order_id: 'W-7',
        customer: { name: 'Wawa', store_number: 7, address: '1 Main St' },
        services: [],
        visits: { next_visit: { date: '08/22/2025', time: '2:05 PM', url: 'https://example.org/visits/131650/' } },
      },
    ])
    const [row] = (await rowsOf('work_orders')).filter(({ key }) => key['user_id'] === ada)
    expect(row).toMatchObject({
      key: { user_id: ada, external_id: 'W-7' },
      values: {
        site_name: 'Wawa',
        store_number: '7',
        address: '1 Main St',
        street: null,
        scheduled_date: '2025-08-22 14:05:00.000000',
        visit_id: '131650',
        visit_number: '131650',
        service_items: '[]',
        service_code: null,
      },
    })
  })

  test('dispensers without a title, and two with the same number', async () => {
    const dispensers = [
      { title: 'Pump A' },
      { dispenserNumber: '3/4' },
      { dispenser_number: '3/4', fuelTypes: ['Diesel'] },
    ]
    write(of('dispenser_store.json'), { dispenser_data: { 'W-110001': { dispensers }, 'W-9': { dispensers } } })
    const { rows, warnings } = await readV1(folder, encryption)
    const own = rows.filter(({ source, table }) => table === 'dispensers' && source.startsWith(`users/${ada}/`))
    expect(own.map(({ key }) => key['dispenser_number'])).toEqual(['1', '3/4', '3/4'])
    expect(new Set(own.map(({ values }) => values['id'])).size).toBe(3)
    expect(warnings).toEqual([
      expect.stringContaining('W-110001, dispenser 1: has no number in its title'),
      expect.stringContaining('W-9: is not among the work orders'),
    ])
  })

  test('lines of changes, whatever they look like', async () => {
    write(of('schedule_changes.txt'), '+ ADDED: W-1 x 05/20/2025\r\n\r\nsomething else\n~ date changed: W-2\n')
    const rows = (await rowsOf('user_schedule_changes')).filter(({ key }) => key['user_id'] === ada)
    expect(rows.map(({ key, values }) => [values['change_type'], key['change_text'], values['change_data']])).toEqual([
      ['added', '+ ADDED: W-1 x 05/20/2025', '{"line":1,"workOrderId":"W-1","date":"2025-05-20"}'],
      ['unknown', 'something else', '{"line":3}'],
      ['date changed', '~ date changed: W-2', '{"line":4,"workOrderId":"W-2"}'],
    ])
  })

  test('the same record always has the same id', async () => {
    const once = await rowsOf('work_orders')
    expect(await rowsOf('work_orders')).toEqual(once)
    const made = once.map(({ values }) => String(values['id']))
    expect(new Set(made).size).toBe(made.length)
    for (const id of made) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  })
})

describe('what is unknown', () => {
  test('is kept where a column takes it, and told where none does', async () => {
    write('README.md', 'x')
    write('users/old.json', [])
    write('users/tutorial/movie.mp4', 'x')
    write(of('pushover_settings.json'), { userKey: 'u', apiToken: 't', password: '', smtp: { pass: 'p' } })
    const users = json('users/users.json')
    write(
      'users/users.json',
      users.with(0, { ...users[0], favouriteColour: 'green', backup_password: 'hidden', more: { apiKey: 'hidden' } }),
    )
    write(of('activity_log.json'), [
      { activity: 'x', ip: '127.0.0.1' },
      { activity: 'y', details: { a: 1 } },
      { activity: 'z', details: 5 },
    ])
    write(of('completed_jobs.json'), { completedJobs: [], version: 2, metadata: {} })
    write(of('change_history.json'), {
      changes: [
        { id: 'c', type: 't', extra: 1 },
        { id: 'd', type: 't', after: { b: 2 }, extra: 1 },
      ],
    })
    write(of('work_fossa_credentials.json'), { username: 'ada', password: 'secret', pin: '1234' })
    const { rows, warnings } = await readV1(folder, encryption)
    expect([...warnings].sort()).toEqual(
      [
        'README.md: no part of V1 that is known; it is left out',
        'users/old.json: no part of V1 that is known; it is left out',
        'users/tutorial/movie.mp4: no part of V1 that is known; it is left out',
        'users/users.json: entry 1: favouriteColour has no column of its own; it is kept in preferences_json',
        'users/users.json: entry 1: backup_password may be a secret in plain text; it is left out',
        'users/users.json: entry 1: more may be a secret in plain text; it is left out',
        `${of('pushover_settings.json')}: apiToken may be a secret; it is copied in plain text, as V2 reads it`,
        `${of('pushover_settings.json')}: smtp may be a secret; it is copied in plain text, as V2 reads it`,
        `${of('pushover_settings.json')}: userKey may be a secret; it is copied in plain text, as V2 reads it`,
        `${of('completed_jobs.json')}: version has no place in V2 and is left out`,
        `${of('change_history.json')}: entry 2: extra has no place in V2 and is left out`,
        `${of('work_fossa_credentials.json')}: pin has no place in V2 and may be a secret; it is left out`,
      ].sort(),
    )
    const of1 = (table: string) => rows.filter(row => row.table === table && row.key['user_id'] === ada)
    expect(rows.find(({ key, table }) => table === 'users' && key['id'] === ada)?.values['preferences_json']).toBe(
      '{"favouriteColour":"green"}',
    )
    expect(of1('user_activities').map(({ key }) => key['details'])).toEqual([
      '{"ip":"127.0.0.1"}',
      '{"a":1}',
      '{"details":5}',
    ])
    expect(of1('user_change_history').map(({ values }) => values['after_data'])).toEqual(['{"extra":1}', '{"b":2}'])
  })

  test('an active user that is none, and a user without a folder or a password, are told', async () => {
    write('settings.json', { activeUserId: 'tutorial' })
    const users = json('users/users.json')
    write('users/users.json', [
      ...users.with(0, { ...users[0], password: 'ü'.repeat(40) }),
      { id: createHash('md5').update('eve@example.org').digest('hex'), email: ' Eve@Example.org ' },
    ])
    const { rows, warnings } = await readV1(folder, encryption)
    expect(warnings).toEqual([
      expect.stringContaining('more than 72 bytes'),
      expect.stringContaining('entry 5: has no password'),
      expect.stringContaining('activeUserId names no user'),
      expect.stringMatching(/^users\/[\da-f]{32}: is not there: only the user is imported$/),
    ])
    expect(rows.filter(({ table }) => table === 'user_sessions')).toEqual([])
    expect(rows.find(({ values }) => values['email'] === 'Eve@Example.org')?.late).toBeUndefined()
  })
})

test('no secret is in the rows, but for cells that are made when a row is new, nor in what is wrong', async () => {
  const secrets = /plain-pass|fossa-secret|"tutorial","label/
  const { rows } = await readV1(folder, encryption)
  expect(JSON.stringify(rows)).not.toMatch(secrets)
  for (const name of ['work_fossa_credentials.json', 'email_settings.json'])
    write(of(name), '{"password": fossa-secret}')
  write('users/users.json', '[{"password": "plain-pass-1" "email": 1}]')
  const { details, hint, message, cause } = await refusal()
  expect(JSON.stringify([details, hint, message, String(cause)])).not.toMatch(secrets)
})

test('a visit without a date has that of its work order, and white space around a number is none of it', async () => {
  write(of('scraped_content.json'), [
    { id: ' W-1 ', customerName: 'Wawa', visits: { nextVisit: { url: '/visits/7/' } }, scheduledDate: '05/20/2025' },
  ])
  write(of('dispenser_store.json'), { dispenserData: {} })
  const [row] = (await rowsOf('work_orders')).filter(({ key }) => key['external_id'] === 'W-1')
  expect(row?.values).toMatchObject({ scheduled_date: '2025-05-20 00:00:00.000000', visit_id: '7' })
})

test('JSON that is nested too deeply is refused, and no bug', async () => {
  write(of('activity_log.json'), `[{"activity": "a", "deep": ${'['.repeat(20_000)}${']'.repeat(20_000)}}]`)
  expect((await refusal()).code).toBe('invalid')
})

test('what looks like a secret is told by whole words', () => {
  for (const name of ['password', 'smtpPassword', 'api_key', 'userKey', 'pin', 'pwd', 'authToken'])
    expect(looksSecret(name, 'x'), name).toBe(true)
  for (const name of ['compassHeading', 'passengers', 'pinned', 'keyboard', 'tokenizer'])
    expect(looksSecret(name, 'x'), name).toBe(false)
})
