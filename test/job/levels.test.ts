/** The table of docs/levels.md, cell by cell: where image and database stand, times what is to become of a newer schema. */
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ChangeResult, type DeployOptions, deploy, exitCodes, LockkeeperError } from '../../src/index.ts'
import type { NewerPolicy } from '../../src/migrations/assess.ts'
import { deployOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { newPlace, readCopy, Workplace } from '../support/workplace.ts'

const files = {
  v1: '-- migrate:up\nCREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n-- migrate:down\nDROP TABLE a;\n',
  v2: '-- migrate:up\nCREATE TABLE b (x);\n-- migrate:down\nDROP TABLE b;\n',
  v3: '-- compatible: true\n-- migrate:up\nALTER TABLE a ADD COLUMN y;\n-- migrate:down\nALTER TABLE a DROP COLUMN y;\n',
  v4: '-- migrate:up\nCREATE TABLE d (x);\n-- migrate:down\nDROP TABLE d;\n',
  v4_irreversible: '-- compatible: true\n-- migrate:up\nCREATE TABLE d (x);\n',
} as const
type Version = keyof typeof files

function optionsOf(place: Workplace, more: Partial<DeployOptions> = {}): DeployOptions {
  return deployOptions(place, { lockTimeout: 1000, ...more })
}

/** The image has these migrations, and no others. */
function image(place: Workplace, versions: readonly Version[]): void {
  for (const version of Object.keys(files)) rmSync(join(place.migrations, `${version}.sql`), { force: true })
  for (const version of versions) place.migration(version, files[version])
}

/** What the database has, each migrated by an image of its own, so that a backup lies before every one. */
const databases: Readonly<Record<string, readonly Version[]>> = {
  'v1, v2': ['v1', 'v2'],
  'v1, v2, v3': ['v1', 'v2', 'v3'],
  'v1, v2, v3, v4': ['v1', 'v2', 'v3', 'v4'],
  'v1, v2, v4_irreversible': ['v1', 'v2', 'v4_irreversible'],
  'v1, v3': ['v1', 'v3'],
}

const templates = new Map<string, Workplace>()

beforeAll(async () => {
  for (const [name, versions] of Object.entries(databases)) {
    const place = new Workplace()
    templates.set(name, place)
    for (const [at] of versions.entries()) {
      image(place, versions.slice(0, at + 1))
      await deploy(optionsOf(place))
    }
  }
  return () => {
    for (const { folder } of templates.values()) rmSync(folder, { recursive: true, force: true })
  }
})

function placeWith(database: string): Workplace {
  const place = newPlace()
  const template = templates.get(database)
  if (template !== undefined) copyFileSync(template.database, place.database)
  else if (database === 'of another tool')
    pythonSql(
      place.database,
      "CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ('1'); CREATE TABLE a (x)",
    )
  else if (database === 'of 0 bytes') writeFileSync(place.database, '')
  return place
}

async function outcome(
  place: Workplace,
  policy: NewerPolicy,
  more: Partial<DeployOptions> = {},
): Promise<{ exit: number; message: string; result?: ChangeResult }> {
  try {
    const result = await deploy(optionsOf(place, { onNewerSchema: policy, ...more }))
    return { exit: 0, message: result.warnings.join('\n'), result }
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    return { exit: exitCodes[error.code].exit, message: `${error.message}\n${error.hint}` }
  }
}

const levelOf = (place: Workplace) =>
  existsSync(place.database)
    ? readCopy(place.database, db =>
        db.prepare("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'").get() === undefined
          ? 'none'
          : String(
              db
                .prepare(
                  "SELECT group_concat(version, ', ') AS v FROM (SELECT version FROM schema_migrations WHERE status = 'applied' ORDER BY version)",
                )
                .get()?.['v'],
            ),
      )
    : 'none'

/** Exit code, and what is applied afterwards. */
type Cell = readonly [exit: number, applied: string, says?: RegExp]
interface Row {
  readonly image: readonly Version[]
  readonly database: string
  readonly fail: Cell
  readonly allow: Cell
  readonly rollback: Cell
}

const rows: Readonly<Record<string, Row>> = {
  'the image is equal': {
    image: ['v1', 'v2'],
    database: 'v1, v2',
    fail: [0, 'v1, v2'],
    allow: [0, 'v1, v2'],
    rollback: [0, 'v1, v2'],
  },
  'the image is newer': {
    image: ['v1', 'v2', 'v3'],
    database: 'v1, v2',
    fail: [0, 'v1, v2, v3'],
    allow: [0, 'v1, v2, v3'],
    rollback: [0, 'v1, v2, v3'],
  },
  'the image is older, by what is compatible': {
    image: ['v1', 'v2'],
    database: 'v1, v2, v3',
    fail: [
      76,
      'v1, v2, v3',
      /at v3; .* up to v2[\s\S]*has v3\.[\s\S]*rollback --to v2[\s\S]*restore --id \S+-v2\.[\s\S]*--on-newer-schema allow/,
    ],
    allow: [0, 'v1, v2, v3', /ahead of this image by v3, stored as compatible/],
    rollback: [0, 'v1, v2'],
  },
  'the image is older, by what is not compatible': {
    image: ['v1', 'v2'],
    database: 'v1, v2, v3, v4',
    fail: [76, 'v1, v2, v3, v4', /at v4; .* up to v2[\s\S]*has v3, v4\.[\s\S]*restore --id \S+-v2\./],
    allow: [76, 'v1, v2, v3, v4', /v4 is not marked as compatible/],
    rollback: [0, 'v1, v2'],
  },
  'the image is older, by what has no way back': {
    image: ['v1', 'v2'],
    database: 'v1, v2, v4_irreversible',
    fail: [76, 'v1, v2, v4_irreversible', /has v4_irreversible\. Or restore/],
    allow: [0, 'v1, v2, v4_irreversible'],
    rollback: [
      76,
      'v1, v2, v4_irreversible',
      /cannot go back: v4_irreversible has no down[\s\S]*restore --id \S+-v2\./,
    ],
  },
  'they are forked: each has something that the other does not know, the database above the image': {
    image: ['v1', 'v2'],
    database: 'v1, v3',
    fail: [76, 'v1, v3', /at v3; .* up to v2/],
    allow: [76, 'v1, v3', /lacks v2, which this image has/],
    rollback: [0, 'v1, v2'],
  },
  'they are forked: the database has something below what the image has': {
    image: ['v1', 'v3'],
    database: 'v1, v2, v3',
    fail: [65, 'v1, v2, v3', /v2 is applied, but its file is gone/],
    allow: [65, 'v1, v2, v3', /v2 is applied, but its file is gone/],
    rollback: [65, 'v1, v2, v3', /v2 is applied, but its file is gone/],
  },
  'there is no database': {
    image: ['v1', 'v2'],
    database: 'that is not there',
    fail: [0, 'v1, v2'],
    allow: [0, 'v1, v2'],
    rollback: [0, 'v1, v2'],
  },
  'the database is empty': {
    image: ['v1', 'v2'],
    database: 'of 0 bytes',
    fail: [0, 'v1, v2'],
    allow: [0, 'v1, v2'],
    rollback: [0, 'v1, v2'],
  },
}

describe.each(Object.entries(rows))('where %s,', (_, row) => {
  test.each(['fail', 'allow', 'rollback'] as const)('%s', async policy => {
    const place = placeWith(row.database)
    image(place, row.image)
    const [exit, applied, says] = row[policy]
    const { message, ...found } = await outcome(place, policy)
    expect(found, message).toMatchObject({ exit })
    expect(levelOf(place)).toBe(applied)
    if (says !== undefined) expect(message).toMatch(says)
    // What has gone through once has nothing to do the next time.
    if (exit === 0) expect((await outcome(place, policy)).result?.outcome).toBe('unchanged')
  })
})

test.each(['fail', 'allow', 'rollback'] as const)("where the bookkeeping is another tool's, %s: 65", async policy => {
  const place = placeWith('of another tool')
  image(place, ['v1', 'v2'])
  const before = readFileSync(place.database)
  expect(await outcome(place, policy)).toMatchObject({
    exit: 65,
    message: expect.stringMatching(/tables but no bookkeeping/),
  })
  expect(readFileSync(place.database)).toEqual(before)
})

describe.each(['fail', 'allow', 'rollback'] as const)('whatever the policy, as with %s,', policy => {
  test('a database that is gone although there are backups of it: 66', async () => {
    const place = newPlace()
    image(place, ['v1'])
    expect((await outcome(place, policy)).exit).toBe(0)
    image(place, ['v1', 'v2'])
    expect((await outcome(place, policy)).exit).toBe(0)
    for (const gone of [() => writeFileSync(place.database, ''), () => rmSync(place.database)]) {
      gone()
      expect(await outcome(place, policy)).toMatchObject({
        exit: 66,
        message: expect.stringMatching(/has 1 backup of it/),
      })
    }
  })

  test('a database without bookkeeping is taken over where that is asked for', async () => {
    const place = newPlace()
    image(place, ['v1', 'v2'])
    pythonSql(place.database, 'CREATE TABLE a (x); INSERT INTO a VALUES (7)')
    expect(await outcome(place, policy)).toMatchObject({
      exit: 65,
      message: expect.stringMatching(/tables but no bookkeeping/),
    })
    expect(await outcome(place, policy, { adopt: true })).toMatchObject({ exit: 0, result: { adopted: ['v1'] } })
    expect(levelOf(place)).toBe('v1, v2')
    expect(place.query('SELECT * FROM a')).toEqual([{ x: 7 }])
  })
})

describe('taken back by an older image', () => {
  test('is a backup before, and the loss of rows is refused as in any rollback', async () => {
    const place = placeWith('v1, v2, v3, v4')
    image(place, ['v1', 'v2'])
    pythonSql(place.database, 'INSERT INTO d VALUES (1)')
    expect(await outcome(place, 'rollback')).toMatchObject({
      exit: 65,
      message: expect.stringMatching(/d had 1 row and is gone[\s\S]*--allow-row-loss/),
    })
    expect(levelOf(place)).toBe('v1, v2, v3, v4')
    pythonSql(place.database, 'DELETE FROM d')
    const { result } = await outcome(place, 'rollback')
    expect(result).toMatchObject({
      from: 'v4',
      level: 'v2',
      backup: place.backups().at(-1),
      versions: [
        { version: 'v4', direction: 'down' },
        { version: 'v3', direction: 'down' },
      ],
    })
    expect(place.query('SELECT * FROM a')).toEqual([{ x: 1 }])
    expect(place.query("SELECT version FROM schema_migrations WHERE status = 'rolled_back'")).toHaveLength(2)
  })

  test('what the image has and the database lacks is applied in the same run', async () => {
    const place = placeWith('v1, v3')
    image(place, ['v1', 'v2'])
    const { result } = await outcome(place, 'rollback')
    expect(result?.versions).toMatchObject([
      { version: 'v3', direction: 'down' },
      { version: 'v2', direction: 'up' },
    ])
  })
})

describe('a newer schema that is to stay as it is', () => {
  test('has to be the one that was validated', async () => {
    const place = placeWith('v1, v2, v3')
    image(place, ['v1', 'v2'])
    pythonSql(place.database, 'ALTER TABLE a DROP COLUMN y')
    expect(await outcome(place, 'allow')).toMatchObject({
      exit: 65,
      message: expect.stringMatching(/not the one that was validated last, at v3/),
    })
    expect(
      (await deploy(optionsOf(place, { onNewerSchema: 'allow', drift: { policy: 'warn', ignore: [] } }))).warnings,
    ).toHaveLength(2)
  })

  test('and its known files as they were', async () => {
    const place = placeWith('v1, v2, v3')
    image(place, ['v1', 'v2'])
    place.migration('v1', `${files.v1}\n-- edited`)
    for (const policy of ['allow', 'rollback'] as const)
      expect(await outcome(place, policy)).toMatchObject({ exit: 65, message: expect.stringMatching(/v1 was edited/) })
  })
})

test('a newer migration that was stopped in the middle is refused under every policy', async () => {
  const place = placeWith('v1, v2')
  image(place, ['v1', 'v2'])
  place.migration(
    'v5',
    '-- transaction: off\n-- compatible: true\n-- migrate:up\nCREATE TABLE e (x);\nINSERT INTO nowhere VALUES (1);\n',
  )
  expect((await outcome(place, 'fail')).exit).toBe(1)
  rmSync(join(place.migrations, 'v5.sql'))
  for (const policy of ['fail', 'allow', 'rollback'] as const)
    expect(await outcome(place, policy)).toMatchObject({
      exit: 76,
      message: expect.stringMatching(/v5 was stopped in the middle/),
    })
})

test('where a newer schema is to be taken back, one that was stopped in the middle is gone on with only as it was', async () => {
  const place = placeWith('v1, v3')
  image(place, ['v1', 'v3'])
  const begun = '-- transaction: off\n-- migrate:up\nCREATE TABLE e (x);\n'
  place.migration('v2_alone', `${begun}INSERT INTO nowhere VALUES (1);\n`)
  await expect(deploy(optionsOf(place, { outOfOrder: 'allow' }))).rejects.toMatchObject({ code: 'failed' })
  image(place, ['v1'])
  const before = readFileSync(place.database)
  for (const other of [begun.replace('e (x)', 'f (x)'), begun.replace('-- transaction: off\n', '')]) {
    place.migration('v2_alone', `${other}CREATE TABLE g (x);\n`)
    expect(await outcome(place, 'rollback')).toMatchObject({
      exit: 65,
      message: expect.stringMatching(/v2_alone, begun at .*, was stopped after 1 statements/),
    })
    expect(readFileSync(place.database)).toEqual(before)
  }
  place.migration('v2_alone', `${begun}CREATE TABLE g (x);\n`)
  expect((await outcome(place, 'rollback')).result?.versions).toMatchObject([
    { version: 'v3', direction: 'down' },
    { version: 'v2_alone', direction: 'up' },
  ])
})
