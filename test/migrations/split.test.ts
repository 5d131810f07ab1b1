import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import { pragmaOf, type Statement, split } from '../../src/migrations/split.ts'
import { significantTokens } from '../../src/schema/tokens.ts'
import { Preparer } from '../support/prepare.ts'
import { anyScript, assembledScript, schema } from './scripts.ts'

const sqlOf = (script: string) => [...split(script)].map(({ sql }) => sql)
const only = (script: string): Statement => {
  const statements = [...split(script)]
  expect(statements).toHaveLength(1)
  return statements[0]!
}

describe('a script is split', () => {
  it('at each semicolon, the last of which may be missing', () => {
    expect(sqlOf('SELECT 1; SELECT 2')).toEqual(['SELECT 1;', 'SELECT 2'])
  })

  it('into nothing when there is nothing in it but semicolons, spaces and comments', () => {
    for (const script of ['', ' \r\n', ';', ';; ;', '-- a;', '/* a; */', '/* a;', '\uFEFF', '\uFEFF;\n-- x'])
      expect(sqlOf(script)).toEqual([])
  })

  it('without the comments before and after a statement, but with those in it', () => {
    expect(sqlOf('-- a;\nSELECT /* b; */ 1 -- c;\n; -- d')).toEqual(['SELECT /* b; */ 1 -- c;\n;'])
    expect(sqlOf('SELECT 1 -- the end')).toEqual(['SELECT 1'])
  })

  it('not at semicolons in any of the four sorts of quotes', () => {
    const sql = `SELECT 'a;''b;', "c;""d;", \`e;\`\`f;\`, [g;"h;];`
    expect(sqlOf(`${sql}${sql}`)).toEqual([sql, sql])
  })

  it('behind the END of a trigger, whose body has statements and CASEs of its own', () => {
    const trigger = `CREATE TRIGGER t AFTER UPDATE OF begin ON a WHEN CASE WHEN new.begin THEN 1 END BEGIN
      UPDATE a SET x = CASE WHEN 1 THEN CASE 2 WHEN 2 THEN 3 END ELSE 4 END; -- END;
      SELECT end; DELETE FROM a;
    END;`
    expect(sqlOf(`${trigger} SELECT 1;`)).toEqual([trigger, 'SELECT 1;'])
  })

  it('behind the END of a temporary or explained trigger', () => {
    for (const start of [
      'CREATE TEMP TRIGGER',
      'create temporary trigger if not exists',
      'EXPLAIN CREATE TRIGGER',
      'explain query plan create/**/temp--\ntrigger',
    ]) {
      const trigger = `${start} t INSERT ON a BEGIN SELECT 1; END ;`
      expect(sqlOf(`${trigger}COMMIT`)).toEqual([trigger, 'COMMIT'])
    }
  })

  it('at the END of a transaction, which begins no trigger', () => {
    expect(sqlOf('BEGIN; SELECT 1; END; SELECT 2;')).toEqual(['BEGIN;', 'SELECT 1;', 'END;', 'SELECT 2;'])
  })

  it('at each semicolon where TRIGGER is only a name', () => {
    const sqls = [
      'CREATE TABLE trigger(begin);',
      'SELECT begin;',
      'CREATE VIEW "TRIGGER" AS SELECT 1 AS begin;',
      'END;',
    ]
    expect(sqlOf(sqls.join('\n'))).toEqual(sqls)
  })

  it('at the semicolon of a trigger that lacks its body, so that only this statement fails', () => {
    expect(sqlOf('CREATE TRIGGER t AFTER INSERT ON a; SELECT 1;')).toHaveLength(2)
  })

  it('one statement at a time, as they are asked for', () => {
    const statements = split('SELECT 1; SELECT 2; SELECT 3')
    expect(statements.next().value?.sql).toBe('SELECT 1;')
    expect(statements.next().value?.sql).toBe('SELECT 2;')
  })
})

describe('a statement', () => {
  it('knows where it starts, in line ends of both sorts', () => {
    const script = '\uFEFF-- é\r\n\r\nSELECT\r\n 1;\n\n  SELECT 2; SELECT 3;'
    expect([...split(script)].map(({ start, line }) => [script.slice(start, start + 6), line])).toEqual([
      ['SELECT', 3],
      ['SELECT', 6],
      ['SELECT', 6],
    ])
  })

  it('counts the lines inside strings', () => {
    expect([...split("SELECT '\n\n;\n';\nSELECT 2")].map(({ line }) => line)).toEqual([1, 5])
  })

  const heads: [string, string[]][] = [
    ['begin immediate', ['BEGIN', 'IMMEDIATE']],
    ['Commit;', ['COMMIT']],
    ['END TRANSACTION;', ['END', 'TRANSACTION']],
    ['/* x */ rollback to savepoint "My Point";', ['ROLLBACK', 'TO', 'SAVEPOINT', 'MY POINT']],
    ['RELEASE x', ['RELEASE', 'X']],
    ['PRAGMA main . "foreign_keys" = ON;', ['PRAGMA', 'MAIN', 'FOREIGN_KEYS']],
    ['pragma foreign_keys(on);', ['PRAGMA', 'FOREIGN_KEYS']],
    ["VACUUM INTO 'x.db'", ['VACUUM', 'INTO', 'X.DB']],
    ['ATTACH DATABASE [a b] AS c', ['ATTACH', 'DATABASE', 'A B', 'AS', 'C']],
    ['EXPLAIN QUERY PLAN SELECT 1', ['EXPLAIN', 'QUERY', 'PLAN', 'SELECT']],
    ['INSERT INTO a VALUES(1)', ['INSERT', 'INTO', 'A', 'VALUES']],
    ['SELECT a b, c', ['SELECT', 'A', 'B']],
    ['a b c d e f g h', ['A', 'B', 'C', 'D', 'E', 'F']],
    ['(SELECT 1)', []],
  ]
  it.each(heads)('%j begins with the words %j', (script, head) => {
    expect(only(script).head).toEqual(head)
  })

  const pragmas: [string, ReturnType<typeof pragmaOf>][] = [
    ['PRAGMA foreign_keys', { name: 'foreign_keys', value: undefined }],
    ['PRAGMA Foreign_Keys = OFF;', { name: 'foreign_keys', value: 'off' }],
    ["PRAGMA main.[foreign_keys]('ON');", { name: 'foreign_keys', value: 'on' }],
    ['PRAGMA "main"."user_version" = -1', { name: 'user_version', value: '-1' }],
    ['EXPLAIN PRAGMA foreign_keys', undefined],
    ['SELECT 1', undefined],
  ]
  it.each(pragmas)('%j is read as a pragma', (script, pragma) => {
    expect(pragmaOf(only(script))).toEqual(pragma)
  })
})

describe('a NUL character', () => {
  it.each(['SELECT 1;\n\0SELECT 2;', "SELECT 1;\nSELECT 'a\0b'", '--\n-- \0'])(
    'in %j is refused before the first statement, since SQLite would leave out the rest',
    script => {
      const refusal = expect.objectContaining({ code: 'invalid', message: expect.stringContaining('line 2') })
      expect(() => split(script).next()).toThrow(refusal)
      expect(() => split(script).next()).toThrow(LockkeeperError)
    },
  )
})

describe('any script', () => {
  it('is covered: what is not in a statement means nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyScript,
          assembledScript.map(({ script }) => script),
        ),
        script => {
          let end = 0
          for (const { sql, start, line } of split(script)) {
            expect(significantTokens(script.slice(end, start)).every(({ text }) => text === ';')).toBe(true)
            expect(script.slice(start, start + sql.length)).toBe(sql)
            expect(line).toBe(script.slice(0, start).split('\n').length)
            end = start + sql.length
          }
          expect(significantTokens(script.slice(end)).every(({ text }) => text === ';')).toBe(true)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('of known statements is split into exactly these', () => {
    fc.assert(
      fc.property(assembledScript, ({ script, statements }) => {
        expect(sqlOf(script)).toEqual(statements)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe("SQLite's own sqlite3_prepare_v2", () => {
  let sqlite: Preparer
  beforeAll(async () => {
    sqlite = await Preparer.start(schema)
  })
  afterAll(() => sqlite.stop())

  /** Where our statements end; the last one ends for SQLite where the script does, if it has no semicolon. */
  function endsOf(script: string): number[] {
    return [...split(script)].map(({ sql, start }) => (sql.endsWith(';') ? start + sql.length : script.length))
  }

  it('stops at the same places in valid scripts', async () => {
    await fc.assert(
      fc.asyncProperty(assembledScript, async ({ script }) => {
        expect(await sqlite.prepare(script)).toEqual({ ends: endsOf(script), error: null })
      }),
      { numRuns: 2_000 },
    )
  })

  it('stops at the same places in any text, up to what it refuses', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(anyScript, async script => {
        const { ends, error } = await sqlite.prepare(script)
        const ours = endsOf(script)
        if (error === null) expect(ours).toEqual(ends)
        else {
          refused++
          expect(ours.slice(0, ends.length)).toEqual(ends)
          expect(ours.length).toBeGreaterThan(ends.length)
        }
      }),
      { numRuns: 3_000 },
    )
    expect(refused).toBeGreaterThan(100)
  })
})

it('takes time in proportion to the length, also on one line', () => {
  const row = "INSERT INTO t VALUES(1,'some text; with a semicolon',x'00ff',NULL);"
  const script = row.repeat(2_000_000 / row.length)
  const before = performance.now()
  let count = 0
  for (const statement of split(script)) count += statement.line
  expect(count).toBe(Math.floor(2_000_000 / row.length))
  expect(performance.now() - before).toBeLessThan(10_000)
})
