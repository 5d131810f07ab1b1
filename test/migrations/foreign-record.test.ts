/** The tables in which other tools write down what they have applied, as those tools make them. */
import { describe, expect, it } from 'vitest'
import { type ForeignRecord, readForeignRecord } from '../../src/migrations/foreign-record.ts'
import { memory, refusalOf } from './database.ts'
import { migration, versionsOf } from './migration.ts'

const numbered = ['1_users', '0002_posts', '10_tags'].map(version => ({
  ...migration(version),
  file: `${version}.up.sql`,
}))

const tables = {
  goose: `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
    is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
    INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1);`,
  sqlx: `CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL);`,
  prisma: `CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL,
    "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME,
    "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);`,
  diesel: `CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);`,
  golangMigrate: `CREATE TABLE schema_migrations (version uint64, dirty bool);
    CREATE UNIQUE INDEX version_unique ON schema_migrations (version);`,
  dbmate: 'CREATE TABLE "schema_migrations" (version varchar(128) primary key);',
}

const prisma = (name: string, finished = "'now'", rolledBack = 'NULL') =>
  `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at)
   VALUES (hex(randomblob(8)), '', '${name}', ${finished}, ${rolledBack});`
const sqlx = (version: number, success = 1) =>
  `INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (${version}, '', ${success}, x'', 1);`

const read = async (sql: string, migrations = numbered): Promise<ForeignRecord | undefined> =>
  readForeignRecord(await memory(sql), migrations)

describe('what has been applied is read from the table of', () => {
  it.each<[tool: string, sql: string, table: string, applied: string[]]>([
    [
      'goose, one taken back by another row',
      `${tables.goose} INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1), (2, 1), (10, 1), (2, 0), (10, 0), (2, 1);`,
      'goose_db_version',
      ['1_users', '0002_posts'],
    ],
    ['sqlx', `${tables.sqlx} ${sqlx(2)} ${sqlx(1)}`, '_sqlx_migrations', ['1_users', '0002_posts']],
    [
      'golang-migrate, the highest only',
      `${tables.golangMigrate} INSERT INTO schema_migrations VALUES (2, false);`,
      'schema_migrations',
      ['1_users', '0002_posts'],
    ],
    [
      'dbmate, with one that came late',
      `${tables.dbmate} INSERT INTO schema_migrations VALUES ('1'), ('10');`,
      'schema_migrations',
      ['1_users', '10_tags'],
    ],
  ])('%s', async (_, sql, table, applied) => {
    const record = await read(sql)
    expect(record?.table).toBe(table)
    expect(versionsOf(record?.applied ?? [])).toEqual(applied)
  })

  it('Prisma, by whole names, one taken back and done again', async () => {
    const all = ['20240101000000_a', '20240102000000_b c', '20240103000000_d'].map(version => migration(version))
    const record = await read(
      `${tables.prisma} ${prisma('20240101000000_a')} ${prisma('20240102000000_b c', 'NULL', "'then'")}
       ${prisma('20240102000000_b c')} ${prisma('20240103000000_d', 'NULL', "'then'")}`,
      all,
    )
    expect(versionsOf(record?.applied ?? [])).toEqual(['20240101000000_a', '20240102000000_b c'])
  })

  it.each([
    ['the time in its journal', '', 'hash, created_at', "'same', 10), ('same', 30"],
    [
      'its name, in newer versions',
      ', name text',
      'hash, created_at, name',
      "'same', 99, '0000_a'), ('same', 99, '0002_c'",
    ],
    ['its time where the name is not known', ', name text', 'hash, created_at', "'same', 10), ('same', 30"],
  ])('Drizzle, by %s: two may have the same content', async (_, column, columns, values) => {
    const all = ['0000_a', '0001_b', '0002_c'].map((version, at) => ({
      ...migration(version),
      recordedAs: String(10 * (at + 1)),
    }))
    const record = await read(
      `CREATE TABLE "__drizzle_migrations" (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric${column});
       INSERT INTO __drizzle_migrations (${columns}) VALUES (${values});`,
      all,
    )
    expect(versionsOf(record?.applied ?? [])).toEqual(['0000_a', '0002_c'])
  })

  it('diesel, without dashes', async () => {
    const all = ['00000000000000_a', '2024-02-01-120000_b', '2024-02-02-120000_c'].map(version => migration(version))
    const record = await read(
      `${tables.diesel} INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000'), ('20240201120000');`,
      all,
    )
    expect(versionsOf(record?.applied ?? [])).toEqual(['00000000000000_a', '2024-02-01-120000_b'])
  })
})

describe('nothing is read', () => {
  it.each([
    ['where no tool has a table', 'CREATE TABLE a (x);'],
    ['of a table with no row', tables.dbmate],
    [
      'of a table of that name with other columns',
      'CREATE TABLE goose_db_version (version_id); INSERT INTO goose_db_version VALUES (1);',
    ],
    ['of a view', 'CREATE VIEW schema_migrations AS SELECT 1 AS version;'],
    ['of versions without a number', `${tables.dbmate} INSERT INTO schema_migrations VALUES ('v001');`],
  ])('%s', async (_, sql) => {
    expect(await read(sql, [...numbered, migration('v001')])).toBeUndefined()
  })
})

describe('it is refused', () => {
  it.each([
    ['golang-migrate', `${tables.golangMigrate} INSERT INTO schema_migrations VALUES (2, true);`, '2'],
    ['sqlx', `${tables.sqlx} ${sqlx(1)} ${sqlx(2, 0)}`, '2'],
  ])('where %s has begun one and not finished it', async (_, sql, version) => {
    const error = await refusalOf(read(sql))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain(`${version} was begun and not finished`)
  })

  it('where Prisma has', async () => {
    const all = ['1_a', '2_b'].map(version => migration(version))
    const error = await refusalOf(read(`${tables.prisma} ${prisma('1_a')} ${prisma('2_b', 'NULL')}`, all))
    expect(error.message).toContain('_prisma_migrations, 2_b was begun')
  })

  it('where some of it has no file', async () => {
    const error = await refusalOf(read(`${tables.dbmate} INSERT INTO schema_migrations VALUES ('1'), ('11'), ('12');`))
    expect(error.message).toBe('by its table schema_migrations, 11, 12 are applied, of which there is no such file')
    expect(error.hint).toContain('baseline --version')
  })

  it('where all of it has none', async () => {
    const sql = `${tables.dbmate} INSERT INTO schema_migrations VALUES ('20240101'), ('77');`
    expect((await refusalOf(read(sql))).message).toContain('20240101, 77 are applied, of which there is no such file')
    // Such migrations the tool cannot have known.
    expect(await read(sql, [migration('v001'), migration('v002')])).toBeUndefined()
  })

  it('where two tools say different things; one that knows none of these does not count', async () => {
    const goose = (version: number) =>
      `${tables.goose} INSERT INTO goose_db_version (version_id, is_applied) VALUES (${version}, 1);`
    const dbmate = `${tables.dbmate} INSERT INTO schema_migrations VALUES ('1'), ('2');`
    const error = await refusalOf(read(goose(1) + dbmate))
    expect(error.message).toContain('by goose_db_version are applied 1_users; by schema_migrations 1_users, 0002_posts')
    expect((await read(goose(77) + dbmate))?.table).toBe('schema_migrations')
  })
})

it('a file of another kind that golang-migrate never saw is not taken as applied', async () => {
  const [first, second, third] = numbered
  const ours = { ...second!, file: '0002_posts.sql' }
  const record = await read(`${tables.golangMigrate} INSERT INTO schema_migrations VALUES (10, false);`, [
    first!,
    ours,
    third!,
  ])
  expect(versionsOf(record?.applied ?? [])).toEqual(['1_users', '10_tags'])
})

it('a number that may be each of two is not guessed, and of three tables the last one counts as well', async () => {
  const dbmate = `${tables.dbmate} INSERT INTO schema_migrations VALUES ('1'), ('2');`
  const two = [...numbered, migration('0002_house')]
  expect((await refusalOf(read(dbmate, two))).message).toBe(
    'its table schema_migrations has 2 as applied, which may be each of 0002_posts, 0002_house',
  )
  const goose = `${tables.goose} INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1);`
  const golang = `${tables.golangMigrate} INSERT INTO schema_migrations VALUES (2, false);`
  expect((await refusalOf(read(`${goose} ${tables.sqlx} ${sqlx(1)} ${golang}`))).message).toContain('different things')
})
