import { describe, expect, it } from 'vitest'
import { compareSchemas, objectsOf, splitDifferences } from '../../src/schema/compare.ts'
import { emptySchema } from '../../src/schema/model.ts'
import { readSchema } from '../../src/schema/read.ts'
import { withDatabase } from '../support/connection.ts'

const schemaOf = (sql: string) => withDatabase(sql, readSchema, { strings: true })
async function differences(expected: string, actual: string, ignore: readonly string[] = []) {
  return compareSchemas(await schemaOf(expected), await schemaOf(actual), { ignore })
}
const messages = async (expected: string, actual: string) =>
  (await differences(expected, actual)).map(({ message }) => message)

describe('equal are', () => {
  const equal: [string, string, string][] = [
    ['two empty databases', '', ''],
    ['tables whose columns stand in another order', 'CREATE TABLE t(a, b TEXT)', 'CREATE TABLE t(b TEXT, a)'],
    [
      'a column that was added later and one that was there from the beginning',
      "CREATE TABLE t(a); ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'x' COLLATE NOCASE",
      "CREATE TABLE t(a, b TEXT COLLATE NOCASE DEFAULT 'x' NOT NULL)",
    ],
    [
      'a column added behind a constraint of the table',
      'CREATE TABLE t(a, CHECK(a > 0), UNIQUE(a)); ALTER TABLE t ADD COLUMN b REFERENCES t(a) ON DELETE CASCADE',
      'CREATE TABLE t(a UNIQUE, b, CHECK(a > 0), FOREIGN KEY(b) REFERENCES t(a) ON DELETE CASCADE)',
    ],
    [
      'a table that was rebuilt and renamed',
      'CREATE TABLE t(a); CREATE TABLE t_new(a PRIMARY KEY, b); DROP TABLE t; ALTER TABLE t_new RENAME TO t',
      'CREATE TABLE t(a PRIMARY KEY, b)',
    ],
    [
      'a column that was renamed, with everything that uses it',
      'CREATE TABLE t(a CHECK(a > 0)); CREATE INDEX i ON t(a) WHERE a > 1; CREATE VIEW v AS SELECT a FROM t; ALTER TABLE t RENAME COLUMN a TO b',
      'CREATE TABLE t(b CHECK(b > 0)); CREATE INDEX i ON t(b) WHERE b > 1; CREATE VIEW v AS SELECT b FROM t',
    ],
    [
      'a column that was dropped and one that never was',
      'CREATE TABLE t(a, b); ALTER TABLE t DROP b',
      'CREATE TABLE t(a)',
    ],
    ['names in another case', 'CREATE TABLE Users(Name)', 'CREATE TABLE users(NAME)'],
    ['names in other quotes', 'CREATE TABLE "t"(`a b`, [c])', 'CREATE TABLE [t]("a b", c)'],
    ['types in another case and spacing', 'CREATE TABLE t(a varchar(255))', 'CREATE TABLE t(a VARCHAR ( 255 ))'],
    ['named and unnamed UNIQUE constraints', 'CREATE TABLE t(a, CONSTRAINT u UNIQUE(a))', 'CREATE TABLE t(a UNIQUE)'],
    [
      'named and unnamed foreign keys',
      'CREATE TABLE t(a, CONSTRAINT f FOREIGN KEY(a) REFERENCES t(a))',
      'CREATE TABLE t(a REFERENCES t(a))',
    ],
    [
      'named and unnamed primary keys, of a column or of the table',
      'CREATE TABLE t(a TEXT, CONSTRAINT pk PRIMARY KEY(a))',
      'CREATE TABLE t(a TEXT PRIMARY KEY)',
    ],
    ['a constraint said once and twice', 'CREATE TABLE t(a UNIQUE, UNIQUE(a))', 'CREATE TABLE t(a UNIQUE)'],
    [
      'constraints of which one says what a conflict does',
      'CREATE TABLE t(a UNIQUE, b TEXT PRIMARY KEY, UNIQUE(a) ON CONFLICT REPLACE, UNIQUE(b) ON CONFLICT IGNORE)',
      'CREATE TABLE t(a UNIQUE ON CONFLICT REPLACE, b TEXT PRIMARY KEY ON CONFLICT IGNORE)',
    ],
    [
      '"rowid", which is a name though no column',
      'CREATE TABLE t(a, CHECK("rowid" > 0))',
      'CREATE TABLE t(a, CHECK(rowid > 0))',
    ],
    [
      'a rowid column with and without NOT NULL, since it is never NULL',
      'CREATE TABLE t(id INTEGER NOT NULL PRIMARY KEY)',
      'CREATE TABLE t(id INTEGER, PRIMARY KEY(id))',
    ],
    ['DEFAULT NULL and no default', 'CREATE TABLE t(a DEFAULT NULL)', 'CREATE TABLE t(a)'],
    ['a default in and without parentheses', "CREATE TABLE t(a DEFAULT ('x'))", "CREATE TABLE t(a DEFAULT 'x')"],
    ['a default string in other quotes', 'CREATE TABLE t(a DEFAULT "It\'s")', "CREATE TABLE t(a DEFAULT 'It''s')"],
    ['a default without quotes', 'CREATE TABLE t(a DEFAULT pending)', "CREATE TABLE t(a DEFAULT 'pending')"],
    ['TRUE and 1 as a default', 'CREATE TABLE t(a DEFAULT TRUE)', 'CREATE TABLE t(a DEFAULT 1)'],
    [
      'defaults in another case of their keywords',
      'CREATE TABLE t(a DEFAULT current_timestamp)',
      'CREATE TABLE t(a DEFAULT CURRENT_TIMESTAMP)',
    ],
    [
      'default expressions with other spacing',
      "CREATE TABLE t(a DEFAULT (strftime('%s','now')+1))",
      "CREATE TABLE t(a DEFAULT ( STRFTIME( '%s', 'now' ) + 1 ))",
    ],
    [
      'CHECKs with other spacing, comments, quotes and case',
      "CREATE TABLE t(a CHECK(a IN ('x','Y')))",
      "CREATE TABLE t(a check ( \"A\" in ( 'x' /* ex */, 'Y' ) -- why\n))",
    ],
    ['a CHECK of a column and of the table', 'CREATE TABLE t(a CHECK(a>0))', 'CREATE TABLE t(a, CHECK(a > 0))'],
    [
      'CHECKs in another order',
      'CREATE TABLE t(a, CHECK(a > 0), CHECK(a < 9))',
      'CREATE TABLE t(a, CHECK(a < 9), CHECK(a > 0))',
    ],
    [
      'strings in single quotes and in double ones that name no column',
      'CREATE TABLE t(a CHECK(a IN ("Open", "b")))',
      "CREATE TABLE t(a CHECK(a IN ('Open', 'b')))",
    ],
    ['collations in another case', 'CREATE TABLE t(a COLLATE nocase)', 'CREATE TABLE t(a COLLATE "NoCase")'],
    ['COLLATE BINARY and none', 'CREATE TABLE t(a COLLATE BINARY)', 'CREATE TABLE t(a)'],
    ['ASC and nothing', 'CREATE TABLE t(a); CREATE INDEX i ON t(a ASC)', 'CREATE TABLE t(a); CREATE INDEX i ON t(a)'],
    [
      'partial and expression indexes in another spelling',
      "CREATE TABLE t(a, b); CREATE INDEX i ON t(lower(a), b DESC) WHERE b<>'X'",
      'CREATE TABLE t(a, b); create index if not exists I on "t" ( LOWER ( "a" ) , [b] desc ) where B <> \'X\'',
    ],
    [
      'a foreign key to the primary key, by name and without',
      'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p)',
      'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id))',
    ],
    [
      'foreign keys that say what is so anyway',
      'CREATE TABLE t(a REFERENCES t(a) ON DELETE NO ACTION MATCH SIMPLE NOT DEFERRABLE INITIALLY DEFERRED)',
      'CREATE TABLE t(a REFERENCES t(a) DEFERRABLE INITIALLY IMMEDIATE)',
    ],
    [
      'NOT NULL ON CONFLICT ABORT and NOT NULL',
      'CREATE TABLE t(a NOT NULL ON CONFLICT ABORT)',
      'CREATE TABLE t(a NOT NULL)',
    ],
    [
      'generated columns in the long form and the short one',
      'CREATE TABLE t(a, b INT GENERATED ALWAYS AS (a+1) VIRTUAL)',
      'CREATE TABLE t(a, b INT AS ( A + 1 ))',
    ],
    [
      'views in another spelling',
      'CREATE VIEW v AS SELECT \'It;\' AS "Total", a.x FROM (SELECT 1 AS x) a',
      "create view [V] as -- all of it\n select 'It;' as total , A . X from ( select 1 as x ) a /**/",
    ],
    [
      'triggers in another spelling',
      'CREATE TABLE t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a=1 WHERE "a" IS NULL; END',
      'CREATE TABLE t(a); create trigger if not exists "g" after insert on [t] begin /* ; */ update t set a = 1 where a is null ; end',
    ],
    [
      'full-text tables, whatever their shadow tables hold',
      "CREATE VIRTUAL TABLE f USING fts5(a, b, tokenize='porter'); INSERT INTO f VALUES('x', 'y')",
      'CREATE VIRTUAL TABLE F USING FTS5 ( "a" , b , tokenize = \'porter\' )',
    ],
    [
      'statistics of ANALYZE and none',
      'CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES(1); ANALYZE',
      'CREATE TABLE t(a PRIMARY KEY)',
    ],
  ]
  it.each(equal)('%s', async (_, one, other) => {
    expect(await messages(one, other)).toEqual([])
    expect(await messages(other, one)).toEqual([])
  })
})

describe('different are', () => {
  const t = 'CREATE TABLE t(a, b)'
  const different: [string, string, string, string[]][] = [
    ['tables of which one is missing', t, '', ['table t is in the migrations but not in the database']],
    ['tables of which one is extra', '', t, ['table t is in the database but in no migration']],
    ['a missing column', t, 'CREATE TABLE t(a)', ['column t.b is in the migrations but not in the database']],
    [
      'an extra column',
      'CREATE TABLE users(id)',
      'CREATE TABLE users(id); ALTER TABLE users ADD COLUMN nickname TEXT',
      ['column users.nickname is in the database but in no migration'],
    ],
    [
      'names beyond A to Z in another case, which SQLite tells apart',
      'CREATE TABLE t(ä)',
      'CREATE TABLE t(Ä)',
      ['column t.Ä is in the database but in no migration', 'column t.ä is in the migrations but not in the database'],
    ],
    ['types', 'CREATE TABLE t(a TEXT)', 'CREATE TABLE t(a)', ['column t.a: expected type TEXT, found no type']],
    [
      'lengths of types',
      'CREATE TABLE t(a VARCHAR(50))',
      'CREATE TABLE t(a varchar(20))',
      ['column t.a: expected type VARCHAR(50), found type VARCHAR(20)'],
    ],
    [
      'NOT NULL and nothing, also in a text primary key',
      'CREATE TABLE t(a TEXT NOT NULL PRIMARY KEY, b NOT NULL)',
      'CREATE TABLE t(a TEXT PRIMARY KEY, b)',
      ['column t.a: expected NOT NULL, found NULL allowed', 'column t.b: expected NOT NULL, found NULL allowed'],
    ],
    [
      'what is done about NULL',
      'CREATE TABLE t(a NOT NULL ON CONFLICT REPLACE DEFAULT 1)',
      'CREATE TABLE t(a NOT NULL DEFAULT 1)',
      ['column t.a: expected NOT NULL ON CONFLICT REPLACE, found NOT NULL'],
    ],
    [
      'a number and a string as default',
      'CREATE TABLE t(a DEFAULT 0)',
      "CREATE TABLE t(a DEFAULT '0')",
      ["column t.a: expected DEFAULT 0, found DEFAULT '0'"],
    ],
    [
      'a word and the value of that name as default',
      'CREATE TABLE t(a DEFAULT CURRENT_TIMESTAMP, b DEFAULT TRUE)',
      'CREATE TABLE t(a DEFAULT "CURRENT_TIMESTAMP", b DEFAULT "true")',
      [
        "column t.a: expected DEFAULT current_timestamp, found DEFAULT 'CURRENT_TIMESTAMP'",
        "column t.b: expected DEFAULT 1, found DEFAULT 'true'",
      ],
    ],
    [
      'the case of a default string',
      "CREATE TABLE t(a DEFAULT 'Open')",
      'CREATE TABLE t(a DEFAULT "open")',
      ["column t.a: expected DEFAULT 'Open', found DEFAULT 'open'"],
    ],
    [
      'a default and none',
      'CREATE TABLE t(a DEFAULT -1)',
      'CREATE TABLE t(a)',
      ['column t.a: expected DEFAULT -1, found no default'],
    ],
    [
      'several things of one column at once',
      'CREATE TABLE t(a TEXT NOT NULL)',
      'CREATE TABLE t(a INT DEFAULT 1)',
      [
        'column t.a: expected type TEXT, found type INT; expected NOT NULL, found NULL allowed; expected no default, found DEFAULT 1',
      ],
    ],
    [
      'collations of columns',
      'CREATE TABLE t(a COLLATE NOCASE)',
      'CREATE TABLE t(a)',
      ['column t.a: expected COLLATE NOCASE, found COLLATE BINARY'],
    ],
    [
      'stored and virtual generated columns',
      'CREATE TABLE t(a, b AS (a) STORED)',
      'CREATE TABLE t(a, b AS (a) VIRTUAL)',
      ['column t.b: expected STORED AS (a), found VIRTUAL AS (a)'],
    ],
    [
      'generated columns by their expression',
      'CREATE TABLE t(a, b AS (a + 1))',
      'CREATE TABLE t(a, b AS (a + 2))',
      ['column t.b: expected VIRTUAL AS (a + 1), found VIRTUAL AS (a + 2)'],
    ],
    [
      'a generated column and an ordinary one',
      'CREATE TABLE t(a, b AS (a))',
      t,
      ['column t.b: expected VIRTUAL AS (a), found not generated'],
    ],
    [
      'primary keys',
      'CREATE TABLE t(a, b, PRIMARY KEY(a, b))',
      'CREATE TABLE t(a, b, PRIMARY KEY(b, a))',
      ['primary key of t: expected (a, b), found (b, a)'],
    ],
    [
      'a primary key and none',
      'CREATE TABLE t(a, b, PRIMARY KEY(a))',
      t,
      ['primary key of t: expected (a), found no primary key'],
    ],
    [
      'what a conflict of a primary key does',
      'CREATE TABLE t(a PRIMARY KEY ON CONFLICT REPLACE)',
      'CREATE TABLE t(a PRIMARY KEY)',
      ['primary key of t: expected (a) ON CONFLICT REPLACE, found (a)'],
    ],
    [
      'a rowid column and one that is none',
      'CREATE TABLE t(a INTEGER PRIMARY KEY)',
      'CREATE TABLE t(a INTEGER PRIMARY KEY DESC)',
      ['primary key of t: expected (a) as the rowid, found (a DESC)'],
    ],
    [
      'AUTOINCREMENT and none',
      'CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)',
      'CREATE TABLE t(a INTEGER PRIMARY KEY)',
      ['primary key of t: expected (a) AUTOINCREMENT, found (a) as the rowid'],
    ],
    [
      'WITHOUT ROWID and with',
      'CREATE TABLE t(a PRIMARY KEY NOT NULL) WITHOUT ROWID',
      'CREATE TABLE t(a PRIMARY KEY NOT NULL)',
      ['table t: expected a WITHOUT ROWID table, found a table with rowid'],
    ],
    [
      'STRICT and not',
      'CREATE TABLE t(a INT) STRICT',
      'CREATE TABLE t(a INT)',
      ['table t: expected a STRICT table, found a table that is not STRICT'],
    ],
    [
      'UNIQUE and nothing',
      'CREATE TABLE t(a UNIQUE, b)',
      t,
      ['constraint UNIQUE (a) of t is in the migrations but not in the database'],
    ],
    [
      'nothing and UNIQUE',
      t,
      'CREATE TABLE t(a, b, UNIQUE(a, b))',
      ['constraint UNIQUE (a, b) of t is in the database but in no migration'],
    ],
    [
      'what a conflict does',
      'CREATE TABLE t(a, b UNIQUE ON CONFLICT REPLACE)',
      'CREATE TABLE t(a, b UNIQUE)',
      ['constraint of t: expected UNIQUE (b) ON CONFLICT REPLACE, found UNIQUE (b)'],
    ],
    [
      'UNIQUE as a constraint and as an index',
      'CREATE TABLE t(a, b, UNIQUE(a))',
      `${t}; CREATE UNIQUE INDEX i ON t(a)`,
      [
        'constraint UNIQUE (a) of t is in the migrations but not in the database',
        'index i on t UNIQUE (a) is in the database but in no migration',
      ],
    ],
    [
      'CHECKs',
      'CREATE TABLE t(a CHECK(a > 0))',
      'CREATE TABLE t(a CHECK(a > 1))',
      [
        'constraint CHECK (a > 0) of t is in the migrations but not in the database',
        'constraint CHECK (a > 1) of t is in the database but in no migration',
      ],
    ],
    [
      'CHECKs by the case of a string, in either sort of quotes',
      'CREATE TABLE t(a CONSTRAINT c CHECK(a IN ("Open")))',
      "CREATE TABLE t(a CONSTRAINT c CHECK(a IN ('open')))",
      ["constraint of t: expected c CHECK (a in('Open')), found c CHECK (a in('open'))"],
    ],
    [
      'a CHECK with a name and one without',
      'CREATE TABLE t(a CONSTRAINT positive CHECK(a > 0))',
      'CREATE TABLE t(a CHECK(a > 0))',
      ['constraint of t: expected positive CHECK (a > 0), found CHECK (a > 0)'],
    ],
    [
      'what a foreign key does',
      'CREATE TABLE t(a REFERENCES t(a) ON DELETE CASCADE)',
      'CREATE TABLE t(a REFERENCES t(a) ON UPDATE SET NULL)',
      [
        'foreign key of t: expected (a) REFERENCES t(a) ON DELETE CASCADE, found (a) REFERENCES t(a) ON UPDATE SET NULL',
      ],
    ],
    [
      'when a foreign key is checked',
      'CREATE TABLE t(a REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED)',
      'CREATE TABLE t(a REFERENCES t(a))',
      ['foreign key of t: expected (a) REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED, found (a) REFERENCES t(a)'],
    ],
    [
      'where a foreign key points',
      'CREATE TABLE t(a REFERENCES u(a)); CREATE TABLE u(a); CREATE TABLE w(a)',
      'CREATE TABLE t(a REFERENCES w(a)); CREATE TABLE u(a); CREATE TABLE w(a)',
      ['foreign key of t: expected (a) REFERENCES u(a), found (a) REFERENCES w(a)'],
    ],
    [
      'a foreign key and none',
      'CREATE TABLE t(a, b REFERENCES t(a))',
      t,
      ['foreign key (b) REFERENCES t(a) of t is in the migrations but not in the database'],
    ],
    [
      'none and a foreign key',
      t,
      'CREATE TABLE t(a, b REFERENCES t(a))',
      ['foreign key (b) REFERENCES t(a) of t is in the database but in no migration'],
    ],
    [
      'indexes by their order',
      `${t}; CREATE INDEX idx_x ON t(a, b DESC)`,
      `${t}; CREATE INDEX idx_x ON t(a, b)`,
      ['index idx_x: expected (a, b DESC), found (a, b)'],
    ],
    [
      'indexes by their columns',
      `${t}; CREATE INDEX i ON t(a, b)`,
      `${t}; CREATE INDEX i ON t(b, a)`,
      ['index i: expected (a, b), found (b, a)'],
    ],
    [
      'indexes by their collation',
      `${t}; CREATE INDEX i ON t(a COLLATE NOCASE)`,
      `${t}; CREATE INDEX i ON t(a)`,
      ['index i: expected (a COLLATE NOCASE), found (a)'],
    ],
    [
      'unique and other indexes',
      `${t}; CREATE UNIQUE INDEX i ON t(a)`,
      `${t}; CREATE INDEX i ON t(a)`,
      ['index i: expected UNIQUE (a), found (a)'],
    ],
    [
      'indexes of an expression and of a column',
      `${t}; CREATE INDEX i ON t(lower(a))`,
      `${t}; CREATE INDEX i ON t(a)`,
      ['index i: expected (lower(a)), found (a)'],
    ],
    [
      'partial and whole indexes',
      `${t}; CREATE INDEX i ON t(a) WHERE b = 'X'`,
      `${t}; CREATE INDEX i ON t(a)`,
      ["index i: expected (a) WHERE b = 'X', found (a)"],
    ],
    [
      'partial indexes by a string',
      `${t}; CREATE INDEX i ON t(a) WHERE b = 'X'`,
      `${t}; CREATE INDEX i ON t(a) WHERE b = 'x'`,
      ["index i: expected (a) WHERE b = 'X', found (a) WHERE b = 'x'"],
    ],
    [
      'indexes of which one is missing',
      `${t}; CREATE INDEX i ON t(a)`,
      t,
      ['index i on t (a) is in the migrations but not in the database'],
    ],
    [
      'indexes of which one is extra',
      t,
      `${t}; CREATE INDEX i ON t(a)`,
      ['index i on t (a) is in the database but in no migration'],
    ],
    [
      'views by their text',
      "CREATE VIEW v AS SELECT 1 AS x WHERE 'a' = 'b'",
      "CREATE VIEW v AS SELECT 1 AS x WHERE 'a' = 'B'",
      ["view v: expected as select 1 as x where 'a' = 'b', found as select 1 as x where 'a' = 'B'"],
    ],
    [
      'views of which one is missing',
      'CREATE VIEW v AS SELECT 1',
      '',
      ['view v is in the migrations but not in the database'],
    ],
    ['views of which one is extra', '', 'CREATE VIEW v AS SELECT 1', ['view v is in the database but in no migration']],
    [
      'a view and a table of the same name',
      'CREATE VIEW v AS SELECT 1',
      'CREATE TABLE v(a)',
      ['table v is in the database but in no migration', 'view v is in the migrations but not in the database'],
    ],
    [
      'triggers by when they fire',
      `${t}; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END`,
      `${t}; CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT 1; END`,
      ['trigger g: expected after insert on t begin select 1; end, found before insert on t begin select 1; end'],
    ],
    [
      'triggers of which one is missing',
      `${t}; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END`,
      t,
      ['trigger g on t is in the migrations but not in the database'],
    ],
    [
      'triggers of which one is extra',
      t,
      `${t}; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END`,
      ['trigger g on t is in the database but in no migration'],
    ],
    [
      'full-text tables by their columns',
      'CREATE VIRTUAL TABLE f USING fts5(a, b)',
      'CREATE VIRTUAL TABLE f USING fts5(a)',
      ['table f: expected a virtual table USING fts5(a, b), found a virtual table USING fts5(a)'],
    ],
    [
      'a full-text table and an ordinary one',
      'CREATE VIRTUAL TABLE f USING fts5(a)',
      'CREATE TABLE f(a)',
      ['table f: expected a virtual table USING fts5(a), found an ordinary table'],
    ],
    [
      'a full-text table and none, without a word of its shadow tables',
      '',
      'CREATE VIRTUAL TABLE f USING fts5(a)',
      ['table f is in the database but in no migration'],
    ],
    [
      'whole tables, without a word of what is on them',
      '',
      `${t}; CREATE INDEX i ON t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END`,
      ['table t is in the database but in no migration'],
    ],
  ]
  it.each(different)('%s', async (_, expected, actual, said) => {
    expect(await messages(expected, actual)).toEqual(said)
    expect(await messages(actual, expected)).not.toEqual([])
  })
})

it('shows of long texts only where they part', async () => {
  const view = (column: string) =>
    `CREATE VIEW v AS SELECT ${'1 AS one, '.repeat(40)}${column}, ${'2 AS two, '.repeat(40)}3`
  const [message] = await messages(view('4'), view('5'))
  expect(message).toBe(
    'view v: expected … 1 as one, 1 as one, 4, 2 as two, 2 as two, 2 as two, 2 as two, 2 as tw …, found … 1 as one, 1 as one, 5, 2 as two, 2 as two, 2 as two, 2 as two, 2 as tw …',
  )
})

describe('what a difference is', () => {
  const base = 'CREATE TABLE t(a); CREATE TABLE u(a);'
  const kinds = async (expected: string, actual: string) =>
    (await differences(expected, actual)).map(({ kind, object, name, table }) => [kind, object, name, table])

  it('missing, when the migrations describe it', async () => {
    const full = `${base} CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT 1; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; ALTER TABLE t ADD b CHECK(b > 0)`
    expect(await kinds(full, 'CREATE TABLE t(a)')).toEqual([
      ['missing', 'column', 't.b', 't'],
      ['missing', 'constraint', 't.CHECK (b > 0)', 't'],
      ['missing', 'index', 'i', 't'],
      ['missing', 'trigger', 'g', 't'],
      ['missing', 'table', 'u', 'u'],
      ['missing', 'view', 'v', undefined],
    ])
  })

  it('drift, when a table has more than the migrations gave it', async () => {
    expect(await kinds(base, 'CREATE TABLE t(a, b UNIQUE); CREATE TABLE u(a DEFAULT 1)')).toEqual([
      ['differs', 'column', 't.b', 't'],
      ['differs', 'constraint', 't.UNIQUE (b)', 't'],
      ['differs', 'column', 'u.a', 'u'],
    ])
  })

  it('merely extra, when it is an index, a trigger, a view or a table of its own', async () => {
    const more = `${base} CREATE INDEX i ON t(a); CREATE VIEW s AS SELECT 1; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; CREATE TABLE w(a)`
    const found = await differences(base, more)
    expect(found.map(({ kind, name }) => [kind, name])).toEqual([
      ['extra', 's'],
      ['extra', 'i'],
      ['extra', 'g'],
      ['extra', 'w'],
    ])
    expect(splitDifferences(found)).toEqual({ fails: [], warnings: found })
  })

  it('a reason to fail, unless it is extra', async () => {
    const found = await differences(
      `${base} CREATE TABLE gone(a)`,
      'CREATE TABLE t(a, b); CREATE TABLE u(a); CREATE TABLE w(a)',
    )
    const { fails, warnings } = splitDifferences(found)
    expect(fails.map(({ kind }) => kind)).toEqual(['missing', 'differs'])
    expect(warnings.map(({ kind }) => kind)).toEqual(['extra'])
  })
})

describe('what is ignored', () => {
  const found =
    'CREATE TABLE _litestream_seq(a); CREATE TABLE xlitestream_seq(a); CREATE TABLE t(a, note); CREATE INDEX hand_made ON t(a)'
  const expected = 'CREATE TABLE t(a); CREATE TABLE gone(a)'
  const left = async (...globs: string[]) => (await differences(expected, found, globs)).map(({ name }) => name)

  it('is nothing by default', async () => {
    expect(await left()).toEqual(['_litestream_seq', 'gone', 't.note', 'hand_made', 'xlitestream_seq'])
  })

  it('is what a pattern names, in any case, and no more', async () => {
    expect(await left('_LITESTREAM_*', 'hand?made')).toEqual(['gone', 't.note', 'xlitestream_seq'])
  })

  it('is everything on a table, or one column of it', async () => {
    expect(await left('t')).toEqual(['_litestream_seq', 'gone', 'xlitestream_seq'])
    expect(await left('t.n*')).toEqual(['_litestream_seq', 'gone', 'hand_made', 'xlitestream_seq'])
  })

  it('is not what a pattern contains only as letters of a regular expression', async () => {
    expect(await left('.*', '[a-z]+', 'gon', 'one', '^gone$', '(gone)', 'g|gone')).toHaveLength(5)
  })

  it('may be all', async () => {
    expect(await left('*')).toEqual([])
  })
})

it('lists every object that has a name of its own', async () => {
  const schema = await schemaOf(
    'CREATE TABLE t(a UNIQUE); CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT 1; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END',
  )
  expect(objectsOf(schema)).toEqual([
    { object: 'table', name: 't', table: 't' },
    { object: 'index', name: 'i', table: 't' },
    { object: 'trigger', name: 'g', table: 't' },
    { object: 'view', name: 'v', table: undefined },
  ])
  expect(objectsOf(emptySchema)).toEqual([])
})
