/**
 * Folders of other tools, deployed as they are: from nothing, and half-way with rows in between. What comes out is what
 * SQLite itself makes of the same files, one after the other, as those tools run them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { applicationOf, newPlace, type Workplace } from '../support/workplace.ts'

interface History {
  /** Of each migration, the files; what makes the schema is the one that is not a down. */
  readonly steps: readonly (readonly [version: string, files: Readonly<Record<string, string>>])[]
  /** What the folder has besides. */
  readonly besides?: Readonly<Record<string, string>>
  /** Put into the database when the first `halfway` of them are applied. */
  readonly halfway: number
  readonly rows: string
  /** Asked at the end. */
  readonly answers: readonly (readonly [query: string, answer: unknown[]])[]
}

const users = 'CREATE TABLE "users" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL);'
const posts = `CREATE TABLE "posts" ("id" INTEGER NOT NULL PRIMARY KEY, "user" INTEGER NOT NULL, "title" TEXT,
  CONSTRAINT "posts_user" FOREIGN KEY ("user") REFERENCES "users" ("id") ON DELETE CASCADE);`
const rows = `INSERT INTO users VALUES (1, 'ada'), (2, 'grace'); INSERT INTO posts VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');`
const kept: History['answers'] = [
  ['SELECT count(*) AS n FROM posts', [{ n: 3 }]],
  ['SELECT count(*) AS n FROM users', [{ n: 2 }]],
]

const histories: Readonly<Record<string, History>> = {
  'goose, with a trigger, without a transaction, and strings in double quotes': {
    halfway: 2,
    rows,
    steps: [
      ['00001_users', { '00001_users.sql': `-- +goose Up\n${users}\n-- +goose Down\nDROP TABLE users;\n` }],
      ['00002_posts', { '00002_posts.sql': `-- +goose up\n${posts}\n-- +goose down\nDROP TABLE posts;\n` }],
      [
        '00003_titles',
        {
          '00003_titles.sql': `-- +goose Up
            UPDATE posts SET title = "from goose; or so" WHERE id = 1;
            -- +goose StatementBegin
            CREATE TRIGGER titles AFTER INSERT ON posts WHEN NEW.title IS NULL BEGIN
              UPDATE posts SET title = 'none; yet' WHERE id = NEW.id;
              SELECT CASE WHEN 1 THEN 2 END;
            END
            -- +goose StatementEnd
            INSERT INTO users VALUES (9, 'last')
            -- +goose Down
            DELETE FROM users WHERE id = 9;
            DROP TRIGGER titles;`,
        },
      ],
      [
        '00004_vacuum',
        { '00004_vacuum.sql': '-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n-- +goose Down\nSELECT 1;\n' },
      ],
    ],
    answers: [
      ['SELECT title FROM posts WHERE id = 1', [{ title: 'from goose; or so' }]],
      ['SELECT count(*) AS n FROM users', [{ n: 3 }]],
    ],
  },
  'golang-migrate, with its own transactions and a rebuild': {
    halfway: 2,
    rows,
    steps: [
      ['1_users', { '1_users.up.sql': `BEGIN;\n${users}\nCOMMIT;\n`, '1_users.down.sql': 'DROP TABLE users;' }],
      ['2_posts', { '2_posts.up.sql': posts, '2_posts.down.sql': 'DROP TABLE posts;' }],
      [
        '10_emails',
        {
          '10_emails.up.sql': `COMMIT;
            PRAGMA foreign_keys=OFF;
            PRAGMA legacy_alter_table=ON;
            BEGIN;
            CREATE TABLE users_new (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, email TEXT);
            INSERT INTO users_new (id, name) SELECT id, name FROM users;
            DROP TABLE users;
            ALTER TABLE users_new RENAME TO users`,
          '10_emails.down.sql': 'ALTER TABLE users DROP COLUMN email;',
        },
      ],
      ['11_empty', { '11_empty.up..sql': '-- nothing to do\n' }],
      ['12_tags', { '12_tags.up.sql': 'ALTER TABLE posts RENAME TO articles;', '12_tags.down.sql': '' }],
    ],
    answers: [
      ['SELECT count(*) AS n FROM articles', [{ n: 3 }]],
      ['SELECT "table" FROM pragma_foreign_key_list(\'articles\')', [{ table: 'users' }]],
    ],
  },
  'sqlx, whose files are ups': {
    halfway: 2,
    rows,
    besides: { 'lockkeeper.json': '{"$unmarked": "up"}' },
    steps: [
      ['20240101000000_users', { '20240101000000_users.sql': users }],
      ['20240102000000_posts', { '20240102000000_posts.sql': posts }],
      [
        '20240103000000_index',
        { '20240103000000_index.sql': '-- no-transaction\nCREATE INDEX by_title ON posts (title)' },
      ],
    ],
    answers: kept,
  },
  diesel: {
    halfway: 2,
    rows,
    steps: [
      [
        '00000000000000_setup',
        { '00000000000000_setup/up.sql': users, '00000000000000_setup/down.sql': 'DROP TABLE users;' },
      ],
      [
        '20240102000000_posts',
        { '20240102000000_posts/up.sql': posts, '20240102000000_posts/down.sql': 'DROP TABLE posts;' },
      ],
      [
        '2024-02-01-120000_index',
        {
          '2024-02-01-120000_index/up.sql': 'CREATE INDEX by_title ON posts (title);',
          '2024-02-01-120000_index/down.sql': 'DROP INDEX by_title;',
          '2024-02-01-120000_index/metadata.toml': 'run_in_transaction = false\n',
        },
      ],
    ],
    answers: kept,
  },
  'Prisma, with a table redefined and a column dropped': {
    halfway: 2,
    rows,
    besides: {
      'migration_lock.toml': 'provider = "sqlite"\n',
      'lockkeeper.json': '{"20240301000000_no_more_drafts": {"allow-row-loss": ["drafts"]}}',
    },
    steps: [
      [
        '20240101000000_init',
        { '20240101000000_init/migration.sql': `-- CreateTable\n${users}\nCREATE TABLE "drafts" ("x" TEXT);` },
      ],
      ['20240102000000_two words', { '20240102000000_two words/migration.sql': `-- CreateTable\n${posts}` }],
      [
        '20240201000000_redefine',
        {
          '20240201000000_redefine/migration.sql': `-- RedefineTables
            PRAGMA defer_foreign_keys=ON;
            PRAGMA foreign_keys=OFF;
            CREATE TABLE "new_users" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "age" INTEGER DEFAULT 7);
            INSERT INTO "new_users" ("id", "name") SELECT "id", "name" FROM "users";
            DROP TABLE "users";
            ALTER TABLE "new_users" RENAME TO "users";
            PRAGMA foreign_keys=ON;
            PRAGMA defer_foreign_keys=OFF;`,
        },
      ],
      ['20240301000000_no_more_drafts', { '20240301000000_no_more_drafts/migration.sql': 'DROP TABLE "drafts";' }],
    ],
    answers: [...kept, ['SELECT DISTINCT age FROM users', [{ age: 7 }]]],
  },
  'Drizzle, with a rebuild that selects a column which is not there yet': {
    halfway: 2,
    rows,
    besides: {
      'meta/_journal.json': JSON.stringify({
        dialect: 'sqlite',
        entries: ['0000_users', '0001_posts', '0003_rebuild', '0002_late'].map((tag, idx) => ({ idx, tag })),
      }),
    },
    steps: [
      ['0000_users', { '0000_users.sql': users }],
      ['0001_posts', { '0001_posts.sql': posts }],
      [
        '0003_rebuild',
        {
          '0003_rebuild.sql': `PRAGMA foreign_keys=OFF;--> statement-breakpoint
            CREATE TABLE \`__new_users\` (\`id\` integer PRIMARY KEY NOT NULL, \`name\` text NOT NULL, \`role\` text);--> statement-breakpoint
            INSERT INTO \`__new_users\`("id", "name", "role") SELECT "id", "name", "role" FROM \`users\`
            --> statement-breakpoint
            DROP TABLE \`users\`;--> statement-breakpoint
            ALTER TABLE \`__new_users\` RENAME TO \`users\`;--> statement-breakpoint
            PRAGMA foreign_keys=ON;`,
        },
      ],
      ['0002_late', { '0002_late.sql': 'CREATE INDEX `by_role` ON `users` (`role`);' }],
    ],
    answers: [...kept, ['SELECT DISTINCT role FROM users', [{ role: 'role' }]]],
  },
}

function lay(place: Workplace, { besides = {}, steps }: Pick<History, 'besides' | 'steps'>): void {
  for (const files of [besides, ...steps.map(([, files]) => files)])
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(place.migrations, name)), { recursive: true })
      writeFileSync(join(place.migrations, name), text)
    }
}

/** What those tools do: each file in a transaction of its own, which the file may well end and begin anew. */
function asItsTool(path: string, { halfway, rows: between, steps }: History): void {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false, enableDoubleQuotedStringLiterals: true })
  for (const [at, [version, files]] of steps.entries()) {
    if (at === halfway) db.exec(between)
    const [name] = Object.keys(files).filter(file => !/\bdown\.sql$|\.toml$/.test(file))
    const up = /^([\s\S]*?)(?:-- \+goose down\b[\s\S]*)?$/i.exec(files[name ?? ''] ?? version)?.[1] ?? ''
    const alone =
      /no[- ]transaction/i.test(up) || Object.values(files).some(text => text.includes('run_in_transaction'))
    const sql = up.replaceAll(/--> ?statement-breakpoint|-- \+goose StatementEnd/g, ';$&')
    db.exec('PRAGMA legacy_alter_table = OFF')
    if (!alone) db.exec('BEGIN')
    db.exec(sql.replace(/^BEGIN;|COMMIT;\n$/g, ''))
    if (db.isTransaction) db.exec('COMMIT')
    db.exec('PRAGMA foreign_keys = OFF')
  }
  db.close()
}

describe.each(Object.entries(histories))('a folder of %s', (_, history) => {
  const versions = history.steps.map(([version]) => version)

  test('is deployed from nothing', async () => {
    const place = newPlace()
    lay(place, history)
    const ran = await place.run(['run'])
    expect(ran.exit, ran.stderr).toBe(0)
    asItsTool(join(place.folder, 'theirs.db'), { ...history, halfway: -1 })
    expect(applicationOf(place.database)).toEqual(applicationOf(join(place.folder, 'theirs.db')))
    const status = JSON.parse((await place.run(['status', '--json'])).stdout) as { pending: unknown[]; level: string }
    expect(status.pending).toEqual([])
    expect((await place.run(['validate'])).exit).toBe(0)
    // A second time there is nothing to do, and nothing is touched.
    expect((await place.run(['run'])).exit).toBe(0)
    expect(place.query('SELECT version FROM schema_migrations ORDER BY rowid').map(row => row['version'])).toEqual(
      versions,
    )
  })

  test('goes on where rows have been written', async () => {
    const place = newPlace()
    lay(place, { besides: history.besides ?? {}, steps: history.steps })
    const first = await place.run(['run', '--to', versions[history.halfway - 1] ?? ''])
    expect(first.exit, first.stderr).toBe(0)
    const db = new DatabaseSync(place.database)
    db.exec(history.rows)
    db.close()
    const rehearsed = await place.run(['run', '--dry-run'])
    expect(rehearsed.exit, rehearsed.stderr).toBe(0)
    const ran = await place.run(['run'])
    expect(ran.exit, ran.stderr).toBe(0)
    asItsTool(join(place.folder, 'theirs.db'), history)
    expect(applicationOf(place.database)).toEqual(applicationOf(join(place.folder, 'theirs.db')))
    for (const [query, answer] of history.answers) expect(place.query(query)).toEqual(answer)
  })
})

test('a down in a file of its own is run, and named when it fails', async () => {
  const place = newPlace()
  lay(place, {
    steps: [
      ['1_a', { '1_a.up.sql': 'CREATE TABLE a (x);', '1_a.down.sql': '\nDROP TABLE b;' }],
      ['2_b', { '2_b.up.sql': 'CREATE TABLE c (x);', '2_b.down.sql': 'DROP TABLE c;' }],
    ],
  })
  expect((await place.run(['run'])).exit).toBe(0)
  expect((await place.run(['rollback', '--steps', '1'])).exit).toBe(0)
  expect(place.query("SELECT name FROM sqlite_schema WHERE name IN ('a', 'c')")).toEqual([{ name: 'a' }])
  const failed = await place.run(['rollback', '--steps', '1'])
  expect(failed.exit).toBe(1)
  expect(failed.stderr).toContain('1_a.down.sql:2')
})

test('rows that go are named, and with them the place where they can be allowed', async () => {
  const place = newPlace()
  const steps: History['steps'] = [['1_a', { '1_a.up.sql': 'CREATE TABLE a (x);' }]]
  lay(place, { steps })
  expect((await place.run(['run'])).exit).toBe(0)
  const db = new DatabaseSync(place.database)
  db.exec('INSERT INTO a VALUES (1)')
  db.close()
  lay(place, { steps: [['2_b', { '2_b.up.sql': 'DELETE FROM a;' }]] })
  const refused = await place.run(['run'])
  expect(refused.exit).toBe(65)
  expect(refused.stderr).toContain('lockkeeper.json')
  lay(place, { steps: [], besides: { 'lockkeeper.json': '{"2_b": {"allow-row-loss": "a"}}' } })
  expect((await place.run(['run'])).exit).toBe(0)
})

test('a string in double quotes stays an error where nobody has asked for it', async () => {
  const place = newPlace()
  place.migration('v1', '-- migrate:up\nCREATE TABLE a (x);\nINSERT INTO a SELECT "nothing";\n')
  expect((await place.run(['run'])).exit).toBe(1)
  place.migration(
    'v1',
    '-- double_quoted_strings: on\n-- migrate:up\nCREATE TABLE a (x);\nINSERT INTO a SELECT "nothing";\n',
  )
  expect((await place.run(['run'])).exit).toBe(0)
  expect(place.query('SELECT x FROM a')).toEqual([{ x: 'nothing' }])
})

/** At 2 of 4 by goose's own table; the third changes rows only, of which a schema shows no trace. */
function madeByGoose(sql = ''): Workplace {
  const place = newPlace()
  const { steps } = histories['goose, with a trigger, without a transaction, and strings in double quotes'] as History
  const [first, second] = steps
  lay(place, {
    steps: [
      ...steps.slice(0, 2),
      ['00003_ada', { '00003_ada.sql': "-- +goose Up\nUPDATE users SET name = 'Ada' WHERE name = 'ada';\n" }],
      ['00004_tags', { '00004_tags.sql': '-- +goose Up\nCREATE TABLE tags (x);\n' }],
    ],
  })
  asItsTool(place.database, { steps: [first!, second!], halfway: -1, rows, answers: [] })
  const db = new DatabaseSync(place.database)
  db.exec(`${rows}
    CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
      is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
    INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (2, 1);
    ${sql}`)
  db.close()
  return place
}

test('a database that goose has made is taken over where goose says that it is', async () => {
  const place = madeByGoose()
  const refused = await place.run(['run'])
  expect(refused.exit).toBe(65)
  expect(refused.stderr).toContain('level 00002_posts, and so says its table goose_db_version')
  expect((await place.run(['plan'])).stderr).toContain('goose_db_version')
  const ran = await place.run(['run', '--adopt', '--json'])
  expect(ran.exit, ran.stderr).toBe(0)
  expect(JSON.parse(ran.stdout)).toMatchObject({
    adopted: ['00001_users', '00002_posts'],
    versions: [{ version: '00003_ada' }, { version: '00004_tags' }],
  })
  expect(place.query('SELECT name FROM users ORDER BY id')).toEqual([{ name: 'Ada' }, { name: 'grace' }])
  expect(place.query('SELECT max(version_id) AS n FROM goose_db_version')).toEqual([{ n: 2 }])
})

test('where goose and the schema do not agree, nothing is taken over until somebody says which is right', async () => {
  const place = madeByGoose('INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, 1), (4, 1);')
  for (const command of [['run', '--adopt'], ['baseline']]) {
    const refused = await place.run(command)
    expect(refused.exit).toBe(65)
    expect(refused.stderr).toContain(
      'by its table goose_db_version the database is at 00004_tags, but its schema is not',
    )
  }
  expect((await place.run(['baseline', '--version', '00003_ada'])).exit).toBe(0)
  expect((await place.run(['run'])).exit).toBe(0)
  expect(place.query('SELECT name FROM users ORDER BY id')).toEqual([{ name: 'ada' }, { name: 'grace' }])
})

test('where goose was stopped half-way, or has left one out, nothing is taken over', async () => {
  const half = madeByGoose('CREATE TABLE tags (x);')
  const gap = madeByGoose('INSERT INTO goose_db_version (version_id, is_applied) VALUES (4, 1); CREATE TABLE tags (x);')
  for (const command of [['baseline'], ['run', '--adopt']]) {
    const parts = await half.run(command)
    expect(parts.exit).toBe(65)
    expect(parts.stderr).toContain('parts of a later migration (00004_tags)')
    const late = await gap.run(command)
    expect(late.exit).toBe(65)
    expect(late.stderr).toContain('00003_ada is pending, but 00004_tags, which comes after it, is applied')
  }
  expect((await gap.run(['run', '--adopt', '--out-of-order', 'allow'])).exit).toBe(0)
  expect(gap.query('SELECT name FROM users ORDER BY id')).toEqual([{ name: 'Ada' }, { name: 'grace' }])
})

test('beside what is applied of another tool, a string in double quotes in a file of our own is an error', async () => {
  const place = newPlace()
  lay(place, {
    steps: [
      ['1_a', { '1_a.up.sql': 'CREATE TABLE a (x); CREATE TABLE b (y); CREATE VIEW v AS SELECT "on" AS o FROM a;' }],
    ],
  })
  expect((await place.run(['run'])).exit).toBe(0)
  const valid = await place.run(['validate'])
  expect(valid.exit, valid.stdout).toBe(0)
  place.migration('2_b', '-- migrate:up\nUPDATE b SET y = "titel";\n')
  const refused = await place.run(['run'])
  expect(refused.exit).toBe(1)
  expect(refused.stderr).toContain('double_quoted_strings')
})

test('one that was stopped half-way is gone on from, with its strings in double quotes', async () => {
  const place = newPlace()
  const goose = (last: string) => ({
    '1_a.sql': `-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE k (x);\nINSERT INTO k VALUES ("one");\n${last}\n`,
  })
  lay(place, { steps: [['1_a', goose('INSERT INTO nowhere VALUES ("two");')]] })
  expect((await place.run(['run'])).exit).toBe(1)
  lay(place, { steps: [['1_a', goose('INSERT INTO k VALUES ("two");')]] })
  for (const command of [['plan'], ['run', '--dry-run'], ['run'], ['validate']]) {
    const ran = await place.run(command)
    expect(ran.exit, ran.stderr).toBe(0)
  }
  expect(place.query('SELECT x FROM k')).toEqual([{ x: 'one' }, { x: 'two' }])
})

test('a typo is an error in a file of our own, also where those of another tool are taken over first', async () => {
  const place = madeByGoose(
    'INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, 1), (4, 1); CREATE TABLE tags (x);',
  )
  place.migration('00005_ours', '-- migrate:up\nUPDATE tags SET x = "nmae";\n')
  for (const command of [
    ['run', '--adopt', '--dry-run'],
    ['run', '--adopt'],
  ]) {
    const refused = await place.run(command)
    expect(refused.exit).toBe(1)
    expect(refused.stderr).toContain('nmae')
  }
})
