/** Random scripts of valid statements, and scripts of anything at all, for fast-check. */
import fc from 'fast-check'

/** What the statements below refer to. */
export const schema = `
  CREATE TABLE t(id INTEGER PRIMARY KEY, "a;""b" TEXT, [c;d] TEXT, \`e;\`\`f\` TEXT, begin TEXT, end TEXT, trigger TEXT, "case" TEXT);
  CREATE VIEW v AS SELECT * FROM t`

type Tokens = string[]
const one = (...texts: string[]): fc.Arbitrary<Tokens> => fc.constantFrom(...texts).map(text => [text])
const words = (text: string): fc.Arbitrary<Tokens> => fc.constant(text.split(' '))
const join = (...parts: fc.Arbitrary<Tokens>[]): fc.Arbitrary<Tokens> => fc.tuple(...parts).map(lists => lists.flat())
const maybe = (part: fc.Arbitrary<Tokens>): fc.Arbitrary<Tokens> => fc.oneof(fc.constant<Tokens>([]), part)
const column = one('id', '"a;""b"', '[c;d]', '`e;``f`', 'begin', 'end', 'trigger', '"case"')
const literal = one(
  "'x'",
  "'it''s; END;'",
  "';'",
  "''",
  "'\n;'",
  "'é名😀;'",
  '1',
  '.5',
  '1e-3',
  '0xFF',
  "x'3b3B'",
  ':p',
  '?1',
  'NULL',
)

const { expression } = fc.letrec<{ expression: Tokens }>(tie => ({
  expression: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'expression' },
    literal,
    column,
    join(tie('expression'), one('||', '+', '->>', '<>', '=='), tie('expression')),
    join(words('('), tie('expression'), words(')')),
    join(words('CASE WHEN'), tie('expression'), words('THEN'), tie('expression'), words('END')),
    join(
      words('CASE'),
      tie('expression'),
      words('WHEN'),
      tie('expression'),
      words('THEN'),
      tie('expression'),
      words('ELSE'),
      tie('expression'),
      words('END'),
    ),
  ),
}))

const select = join(
  words('SELECT'),
  expression,
  maybe(join(words('AS'), one('"x;"', 'begin', 'end'))),
  words('FROM t WHERE'),
  expression,
)
const insert = join(words('INSERT INTO t ( id , begin ) VALUES ('), literal, words(','), literal, words(')'))
const update = join(words('UPDATE t SET end ='), expression, words(', begin ='), expression)
const remove = join(words('DELETE FROM t WHERE'), expression)
const inTrigger = (part: fc.Arbitrary<Tokens>) =>
  part.map(tokens => tokens.map(text => (/^[:?]/.test(text) ? '7' : text)))
const dml = fc.oneof(select, insert, update, remove)

const trigger = join(
  words('CREATE'),
  maybe(one('TEMP', 'TEMPORARY')),
  words('TRIGGER'),
  maybe(words('IF NOT EXISTS')),
  one('tr', 'begin', '"tr;1"', 'end'),
  fc.oneof(words('AFTER INSERT ON t'), words('BEFORE UPDATE OF begin , end ON t'), words('DELETE ON t')),
  maybe(words('FOR EACH ROW')),
  maybe(
    inTrigger(
      join(
        words('WHEN'),
        expression.map(tokens => tokens.map(text => (/^[a-z`"[]/.test(text) ? 'new.begin' : text))),
      ),
    ),
  ),
  words('BEGIN'),
  fc
    .array(
      inTrigger(dml).map(tokens => [...tokens, ';']),
      { minLength: 1, maxLength: 3 },
    )
    .map(list => list.flat()),
  words('END'),
)

const table = join(
  words('CREATE TABLE n1 ( a TEXT DEFAULT'),
  one("';'", "'END'", '1'),
  words(', "x;y" , CHECK ( a <> \';\' ) )'),
)
const control = fc.oneof(
  one('BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'VACUUM'),
  words('BEGIN IMMEDIATE TRANSACTION'),
  words('SAVEPOINT "s;1"'),
  words('PRAGMA foreign_keys = OFF'),
  words('ATTACH \':memory:\' AS "m;1"'),
  words('DROP TABLE t'),
  words('CREATE VIEW w AS SELECT 1 AS "begin;"'),
  words('CREATE INDEX i ON t ( begin DESC , end )'),
  words('WITH end AS ( SELECT 1 ) SELECT * FROM end'),
)
const prefix = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Tokens>([]) },
  words('EXPLAIN'),
  words('EXPLAIN QUERY PLAN'),
)

/** One statement as tokens, the last of them its `;`. */
const statement = join(prefix, fc.oneof(dml, trigger, table, control), words(';'))

const space = fc.constantFrom(
  ' ',
  '\n',
  '\r\n',
  '\t',
  ' \f\v ',
  '/* ; END; */',
  "/*'*/",
  '/* CREATE TRIGGER BEGIN */',
  '-- ; it"s\n',
  '--\r\n',
)
const gap = fc.constantFrom('', ' ', '\n', '\r\n\r\n', ';', ' ; ;', '-- end;\n', '/* ; */', '\uFEFF')

/** With random spaces, comments and case between and in the tokens. */
const spelled = statement.chain(tokens =>
  fc.array(fc.tuple(space, fc.boolean()), { minLength: tokens.length, maxLength: tokens.length }).map(choices =>
    tokens
      .map((text, at) => {
        const [before, lower] = choices[at]!
        return (at === 0 ? '' : before) + (lower && /^[A-Z]+$/.test(text) ? text.toLowerCase() : text)
      })
      .join(''),
  ),
)

export interface AssembledScript {
  readonly script: string
  readonly statements: readonly string[]
}

/** Valid statements with anything that is none between them; the last one may lack its semicolon. */
export const assembledScript: fc.Arbitrary<AssembledScript> = fc
  .tuple(gap, fc.array(fc.tuple(spelled, gap), { maxLength: 8 }), fc.boolean())
  .map(([first, parts, complete]) => {
    const statements = parts.map(([text]) => text)
    const last = statements.at(-1)
    if (!complete && last !== undefined) {
      // What stood before the semicolon may be a comment; the statement ends with its last token.
      statements[statements.length - 1] = withoutSemicolon(last)
      parts[parts.length - 1] = [last.slice(0, -1), '']
    }
    return { script: first + parts.map(([text, after]) => text + after).join(''), statements }
  })

const trailing =
  /(?: |\n|\r\n|\t| \f\v |\/\* ; END; \*\/|\/\*'\*\/|\/\* CREATE TRIGGER BEGIN \*\/|-- ; it"s\n|--\r\n);$/
function withoutSemicolon(text: string): string {
  return text.replace(trailing, '')
}

const fragments = [
  ...`' " \` [ ] ; ( ) -- /* */ / * - = , . $a( x' end END BEGIN CASE SELECT 1 t CREATE TEMP TRIGGER EXPLAIN`.split(
    ' ',
  ),
  ...[' ', ' ', '\n', '\r\n', '\uFEFF', 'é', ';', 'SELECT 1;', 'BEGIN;', 'SELECT "a;""b" FROM t;', "SELECT ';' ;"],
  'CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;',
  'CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END;',
]

/** Mostly nonsense, which SQLite refuses sooner or later. */
export const anyScript: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(...fragments), { maxLength: 20 })
  .map(parts => parts.join(''))
