/** Each rule, with what it finds and what looks like it and is fine. */
import { describe, expect, test } from 'vitest'
import { lint } from '../../src/lint/lint.ts'
import { type RuleName, rules } from '../../src/lint/rules.ts'
import { folderOf } from '../migrations/folder.ts'
import { fossawork } from '../support/workplace.ts'

const first = `-- migrate:up
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, nick TEXT, kind TEXT NOT NULL CHECK (kind IN ('a', 'b')));
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE,
  state TEXT
);
CREATE INDEX orders_by_user ON orders (user_id);
CREATE TRIGGER orders_done AFTER UPDATE ON orders BEGIN SELECT 1; END;
CREATE VIEW names AS SELECT email, nick FROM users;
CREATE TABLE logs (line TEXT);
CREATE TRIGGER logs_trimmed AFTER INSERT ON orders BEGIN DELETE FROM logs; END;
-- migrate:down
DROP VIEW names; DROP TABLE orders; DROP TABLE users; DROP TABLE logs;
`
const ordersAgain = (key: string) => `
CREATE TABLE orders_new (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL ${key}, state TEXT);
INSERT INTO orders_new SELECT * FROM orders;
DROP TABLE orders;
ALTER TABLE orders_new RENAME TO orders;`
const key = 'REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE'
const indexAndTrigger = `
CREATE INDEX orders_by_user ON orders (user_id);
CREATE TRIGGER orders_done AFTER UPDATE ON orders BEGIN SELECT 1; END;
CREATE TRIGGER logs_trimmed AFTER INSERT ON orders BEGIN DELETE FROM logs; END;`

/** What is found in a second migration, as `line rule: message`; the rules about downs are left out. */
async function foundIn(up: string, header = ''): Promise<string[]> {
  const folder = folderOf({ 'v1.sql': first, 'v2.sql': `${header}-- migrate:up\n${up.trim()}\n` })
  const { findings } = await lint({ migrations: folder })
  return findings
    .filter(({ rule, version }) => version === 'v2' && rule !== 'no-down' && rule !== 'broken-down')
    .map(({ line, message, rule }) => `${line} ${rule}: ${message}`)
}

const hits: readonly [RuleName, string, string, RegExp][] = [
  ['row-loss', 'a table that is dropped', 'DROP TABLE logs;', /^2 row-loss: drops the table logs without/],
  ['row-loss', 'a DELETE', "SELECT 1;\nDELETE FROM logs WHERE line = 'x';", /^3 row-loss: deletes rows of logs/],
  [
    'row-loss',
    'a DELETE by a trigger',
    'INSERT INTO orders VALUES (1, 1, NULL);',
    /^2 row-loss: fires the trigger logs_trimmed, which deletes rows of logs/,
  ],
  [
    'row-loss',
    'a DELETE after a rename',
    'ALTER TABLE logs RENAME TO lines;\nDELETE FROM lines;',
    /^3 row-loss: deletes rows of lines/,
  ],
  [
    'row-loss',
    'a rebuild that copies nothing',
    'DROP TABLE logs;\nCREATE TABLE logs (line TEXT, at TEXT);',
    /^2 row-loss: does not bring along every row of logs: of one row, 0 are left/,
  ],
  [
    'row-loss',
    'a rebuild that copies a part',
    'CREATE TABLE l (line TEXT);\nINSERT INTO l SELECT line FROM logs WHERE line IS NOT NULL;\nDROP TABLE logs;\nALTER TABLE l RENAME TO logs;',
    /^4 row-loss: does not bring along/,
  ],
  [
    'column-loss',
    'a column that is dropped',
    'DROP VIEW names;\nALTER TABLE users DROP COLUMN nick;',
    /^3 column-loss: the column users\.nick is gone/,
  ],
  [
    'column-loss',
    'one that a rebuild leaves out',
    'CREATE TABLE l (at TEXT);\nINSERT INTO l SELECT line FROM logs;\nDROP TABLE logs;\nALTER TABLE l RENAME TO logs;',
    /^4 column-loss: the column logs\.line is gone/,
  ],
  [
    'lost-object',
    'an index',
    ordersAgain(key) + indexAndTrigger.replace('CREATE INDEX orders_by_user ON orders (user_id);', ''),
    /^4 lost-object: orders is made anew without the index orders_by_user \(user_id\)$/,
  ],
  [
    'lost-object',
    'a trigger',
    ordersAgain(key) + indexAndTrigger.replace('orders_done', 'another'),
    /^4 lost-object: orders is made anew without the trigger orders_done$/,
  ],
  [
    'lost-object',
    'a foreign key',
    ordersAgain('') + indexAndTrigger,
    /^4 lost-object: .* without the foreign key \(user_id\) REFERENCES users/,
  ],
  [
    'lost-object',
    'an ON DELETE',
    ordersAgain('REFERENCES users (id) ON UPDATE CASCADE') + indexAndTrigger,
    /^4 lost-object: .* without the ON DELETE CASCADE of its foreign key \(user_id\)$/,
  ],
  [
    'lost-object',
    'an ON UPDATE',
    ordersAgain('REFERENCES users (id) ON DELETE CASCADE') + indexAndTrigger,
    /^4 lost-object: .* without the ON UPDATE CASCADE/,
  ],
  [
    'lost-object',
    'a view',
    "CREATE TABLE u (id INTEGER PRIMARY KEY, email TEXT, nick TEXT, kind TEXT NOT NULL CHECK (kind IN ('a', 'b')));\nINSERT INTO u SELECT * FROM users;\nDROP VIEW names;\nDROP TABLE users;\nALTER TABLE u RENAME TO users;",
    /^5 lost-object: users is made anew without the view names$/,
  ],
  [
    'not-null-without-default',
    'a column that is added',
    'ALTER TABLE users ADD COLUMN phone TEXT NOT NULL;',
    /^2 not-null-without-default: runs on an empty table.*Cannot add a NOT NULL column/,
  ],
  [
    'not-null-without-default',
    'a copy that would put NULL in',
    'CREATE TABLE l (line TEXT NOT NULL);\nINSERT INTO l SELECT line FROM logs;\nDROP TABLE logs;\nALTER TABLE l RENAME TO logs;',
    /^3 not-null-without-default: .*NOT NULL constraint failed: l\.line/,
  ],
  [
    'unresolved',
    'a trigger that uses a table that is gone',
    'PRAGMA legacy_alter_table = ON;\nALTER TABLE logs RENAME TO lines;',
    /unresolved: one of the triggers logs_trimmed, orders_done on orders does not work: no such table: main\.logs/,
  ],
  [
    'rename-in-use',
    'a column that a view uses',
    'ALTER TABLE users RENAME COLUMN nick TO nickname;',
    /^2 rename-in-use: a name of users changes that is used by view names$/,
  ],
  [
    'rename-in-use',
    'a table that triggers use',
    'ALTER TABLE logs RENAME TO lines;',
    /^2 rename-in-use: a name of logs changes that is used by trigger logs_trimmed$/,
  ],
  [
    'if-not-exists',
    'a table',
    'CREATE TABLE IF NOT EXISTS other (n);',
    /^2 if-not-exists: CREATE TABLE IF NOT EXISTS would pass over another one of that name$/,
  ],
  [
    'if-not-exists',
    'a unique index that is there already',
    'CREATE UNIQUE INDEX IF NOT EXISTS orders_by_user ON orders (id);',
    /^2 if-not-exists: CREATE UNIQUE INDEX IF NOT EXISTS does nothing/,
  ],
  [
    'non-deterministic',
    'random',
    'INSERT INTO logs VALUES (hex(randomblob(8)));',
    /^2 non-deterministic: writes rows with randomblob/,
  ],
  [
    'non-deterministic',
    'the time',
    'UPDATE users SET nick = CURRENT_TIMESTAMP;',
    /^2 non-deterministic: writes rows with current_timestamp/,
  ],
  [
    'non-deterministic',
    'the time in other words',
    "UPDATE users SET nick = strftime('%Y', 'now');",
    /^2 non-deterministic: writes rows with strftime/,
  ],
  [
    'does-not-run',
    'what SQLite refuses',
    'CREATE TABLE a (n);\nSELECT nonsense;',
    /^3 does-not-run: no such column: nonsense$/,
  ],
]

describe('is found', () => {
  test.each(hits)('%s: %s', async (rule, _, up, says) => {
    const found = (await foundIn(up)).filter(text => text.includes(` ${rule}: `))
    expect(found).toEqual([expect.stringMatching(says)])
  })
})

const misses: readonly [string, string, string?][] = [
  ['a rebuild that brings everything along', ordersAgain(key) + indexAndTrigger],
  [
    'a rebuild with its index under another name',
    ordersAgain(key) + indexAndTrigger.replace('orders_by_user', 'orders_user'),
  ],
  ['an index that is dropped by name', `${ordersAgain(key)}${indexAndTrigger}\nDROP INDEX orders_by_user;`],
  [
    'an index that is dropped by name before a rebuild',
    `DROP INDEX orders_by_user; DROP TRIGGER orders_done;${ordersAgain(key)}
CREATE TRIGGER logs_trimmed AFTER INSERT ON orders BEGIN DELETE FROM logs; END;`,
  ],
  ['rows that may go', 'DELETE FROM logs;', '-- allow-row-loss: logs\n'],
  ['a table that may go', 'DROP TABLE logs; DROP TRIGGER logs_trimmed;', '-- allow-row-loss: logs\n'],
  ['tables and rows of its own', 'CREATE TABLE a (n); INSERT INTO a VALUES (1); DELETE FROM a; DROP TABLE a;'],
  ['temporary ones', 'CREATE TEMP TABLE IF NOT EXISTS a AS SELECT 1 AS n; DELETE FROM a; DROP TABLE a;'],
  ['a column that is NOT NULL and has a default', "ALTER TABLE users ADD COLUMN phone TEXT NOT NULL DEFAULT '';"],
  [
    'a copy that fills what was NULL',
    "CREATE TABLE l (line TEXT NOT NULL); INSERT INTO l SELECT coalesce(line, '') FROM logs; DROP TABLE logs; ALTER TABLE l RENAME TO logs;",
  ],
  ['a rename that nothing else uses', 'ALTER TABLE orders RENAME COLUMN state TO status;'],
  ['a default that is the time', 'CREATE TABLE a (n, at DEFAULT CURRENT_TIMESTAMP); INSERT INTO a (n) VALUES (1);'],
  ['a date from a row', "UPDATE users SET nick = date(email); UPDATE users SET nick = datetime('2024-01-01');"],
  ['random that is only read', 'SELECT random();'],
  [
    'a new trigger with the time',
    'CREATE TRIGGER stamped AFTER INSERT ON users BEGIN UPDATE users SET nick = CURRENT_TIMESTAMP; END;',
  ],
]

describe('is fine', () => {
  test.each(misses)('%s', async (_, up, header) => {
    expect(await foundIn(up, header)).toEqual([])
  })

  test('the migrations of the reference application', async () => {
    expect(await lint({ migrations: fossawork })).toMatchObject({ findings: [], silenced: [], sound: true })
  })
})

test('every rule is tried', () => {
  const tried = new Set<string>([...hits.map(([rule]) => rule), 'broken-down', 'no-down', 'unknown-rule'])
  expect([...tried].sort()).toEqual(Object.keys(rules).sort())
})

describe('a down', () => {
  const only = async (text: string) => {
    const { findings } = await lint({ migrations: folderOf({ 'v1.sql': first, 'v2.sql': text }) })
    return findings.map(({ line, message, rule, severity }) => `${line} ${severity} ${rule}: ${message}`)
  }
  test('that is not there is worth a warning', async () => {
    expect(await only('-- migrate:up\nCREATE TABLE a (n);')).toEqual(['1 warn no-down: it has no down'])
  })
  test('so is one that is empty', async () => {
    expect(await only('-- migrate:up\nCREATE TABLE a (n);\n-- migrate:down\n-- later\n')).toEqual([
      '1 warn no-down: its down is empty',
      expect.stringContaining('broken-down'),
    ])
  })
  test('has to run', async () => {
    expect(await only('-- migrate:up\nCREATE TABLE a (n);\n-- migrate:down\nDROP TABLE b;')).toEqual([
      '4 fail broken-down: the down does not run: no such table: b',
    ])
  })
  test('has to lead back', async () => {
    const text =
      '-- migrate:up\nCREATE TABLE a (n); CREATE INDEX i ON a (n); DROP INDEX orders_by_user;\n-- migrate:down\nSELECT 1;'
    expect(await only(text)).toEqual([
      '3 fail broken-down: the down does not lead back: table a is left over, index orders_by_user is missing',
    ])
  })
})
