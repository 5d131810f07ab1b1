/** The migrations that are pending when a blow falls, made up by chance, each with what it has to leave behind. */
import type { Draw } from './draw.ts'

export interface Change {
  readonly version: string
  /** Name and text of its file. */
  readonly file: string
  readonly text: string
  /** What it does to the schema, for the judge, who runs it on an empty database. */
  readonly sql: string
}

export interface Batch {
  readonly changes: readonly Change[]
  /** The last version of each transaction. */
  readonly boundaries: readonly string[]
  /** The migration that keeps what was there: a table of the same name with all rows, each of which it stamps. */
  readonly taken: string
}

const entries = `(
  id INTEGER PRIMARY KEY,
  writer TEXT NOT NULL,
  n INTEGER NOT NULL,
  body TEXT NOT NULL,
  stamp TEXT
)`

const versionOf = (number: number, name: string) => `v${String(number).padStart(4, '0')}_${name}`

export const firstChange = change(
  1,
  'first',
  `CREATE TABLE entries ${entries};
CREATE TABLE details (entry_id INTEGER NOT NULL REFERENCES entries (id), body);
CREATE INDEX details_by_entry ON details (entry_id);`,
)

/**
 * @param number of the first of them
 * @param before the batch before, whose kept rows may go now
 * @param modules whether some are JavaScript: every later run has to import those again, which takes most of its time
 */
export function batchOf(draw: Draw, number: number, before: Batch | undefined, modules = true): Batch {
  const taken = versionOf(number, 'taken')
  const changes = [
    change(
      number,
      'taken',
      `CREATE TABLE ${taken} AS SELECT writer, n FROM entries;\nUPDATE entries SET stamp = '${taken}';`,
    ),
    other(draw, number + 1, modules),
  ]
  const split = draw.chance('split', 0.15)
  if (before !== undefined)
    changes.push(
      change(
        number + 2,
        'forget',
        `DROP TABLE ${before.taken};`,
        `-- allow-row-loss: ${before.taken}\n${split ? '-- foreign_keys: on\n' : ''}`,
      ),
    )
  const versions = changes.map(({ version }) => version)
  const last = versions.at(-1) ?? ''
  return { changes, taken, boundaries: split && before !== undefined ? [versions[1] ?? '', last] : [last] }
}

function other(draw: Draw, number: number, modules: boolean): Change {
  const sql: Readonly<Record<string, string>> = {
    index: `CREATE INDEX entries_${number} ON entries (stamp, n);`,
    column: `ALTER TABLE entries ADD COLUMN extra_${number} TEXT;\nUPDATE entries SET extra_${number} = writer WHERE n % 3 = 0;`,
    rebuild: `CREATE TABLE rebuilt ${entries};
INSERT INTO rebuilt (id, writer, n, body, stamp) SELECT id, writer, n, body, stamp FROM entries;
DROP TABLE entries;
ALTER TABLE rebuilt RENAME TO entries;`,
    view: `CREATE VIEW totals_${number} AS SELECT count(*) AS total FROM details;
CREATE TRIGGER guard_${number} BEFORE UPDATE OF entry_id ON details BEGIN SELECT raise(ABORT, 'fixed'); END;`,
    // More than SQLite's cache holds, so that the file is written before the commit.
    spill: `CREATE TABLE bulk AS WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
  SELECT i, zeroblob(900) AS filler FROM c;
DROP TABLE bulk;`,
  }
  const kind = draw.weighted('other', { index: 3, column: 3, rebuild: 4, view: 2, spill: 1, module: modules ? 2 : 0 })
  return kind === 'module' ? moduleOf(number) : change(number, kind, sql[kind] ?? '')
}

function change(number: number, name: string, sql: string, directives = ''): Change {
  const version = versionOf(number, name)
  return { version, file: `${version}.sql`, text: `${directives}-- migrate:up\n${sql}\n`, sql }
}

function moduleOf(number: number): Change {
  const version = versionOf(number, 'module')
  const sql = `CREATE TABLE looked_${number} (n INTEGER)`
  const text = `export const description = 'row by row'
export const dependencies = []
export function up(db) {
  db.exec('${sql}')
  const insert = db.prepare('INSERT INTO looked_${number} VALUES (?)')
  for (const { n } of db.all('SELECT n FROM entries WHERE n % 4 = 0')) insert.run(n)
}
export function down(db) {
  db.exec('DROP TABLE looked_${number}')
}
`
  return { version, file: `${version}.js`, text, sql: `${sql};` }
}
