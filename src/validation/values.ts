/** Checks the values in all tables, each of which is read once. */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import type { Schema, Table } from '../schema/model.ts'
import { counted } from '../units.ts'
import { type Finding, isOfTheApplication } from './findings.ts'
import { describeRows } from './row-keys.ts'
import { constraintRules, typeRules, type ValueRule } from './value-rules.ts'

/** Of one query; SQLite takes some 2,000 columns. */
const atOnce = 200

const generalError = 1

export async function checkValues(
  connection: Connection,
  { tables }: Schema,
  parts: ReadonlySet<Finding['part']>,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const table of tables) {
    if (table.virtual !== null) continue
    const rules = [...constraintRules(table), ...typeRules(table)].filter(({ part }) => parts.has(part))
    for (let start = 0; start < rules.length; start += atOnce)
      findings.push(...(await checkRules(connection, table, rules.slice(start, start + atOnce))))
  }
  return findings
}

async function checkRules(connection: Connection, table: Table, rules: readonly ValueRule[]): Promise<Finding[]> {
  const from = `FROM main.${quoteName(table.name)} AS child`
  const counts = rules.map(({ broken }, at) => `count(*) FILTER (WHERE ${broken}) AS c${at}`)
  let row: Readonly<Record<string, number>> | undefined
  try {
    row = (await connection.all<Record<string, number>>(`SELECT ${counts.join(', ')} ${from}`))[0]
  } catch (error) {
    if (!(error instanceof SqliteError) || error.primary !== generalError) throw error
    return rules.length > 1 ? oneByOne(connection, table, rules) : [unchecked(table, rules[0]!, error)]
  }
  const findings: Finding[] = []
  for (const [at, { broken, part, says, severity }] of rules.entries()) {
    const rows = row?.[`c${at}`] ?? 0
    if (rows === 0) continue
    const sample = await describeRows(connection, table.name, `${from} WHERE ${broken}`)
    const message = `${counted(rows, 'row')} of ${table.name} ${says}: ${sample}`
    findings.push({ part, severity, message })
  }
  return findings
}

/** One of them cannot be compiled: which? */
async function oneByOne(connection: Connection, table: Table, rules: readonly ValueRule[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const rule of rules) findings.push(...(await checkRules(connection, table, [rule])))
  return findings
}

function unchecked({ name }: Table, { part, says, severity }: ValueRule, { message }: SqliteError): Finding {
  return {
    part,
    severity: isOfTheApplication(message) ? 'warn' : severity,
    message: `whether rows of ${name} ${says} could not be checked: ${message}`,
  }
}
