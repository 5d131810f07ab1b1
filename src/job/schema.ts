/** `schema`: what it is, and how two of them differ. */
import { compareSchemas, type Difference } from '../schema/compare.ts'
import { scriptOf } from '../schema/definitions.ts'
import { leadFrom, scriptOfStatements } from '../schema/lead.ts'
import { readSide, type SideOptions } from './schema-side.ts'

export type { SideOptions } from './schema-side.ts'

/** A schema as the script that makes it. @throws as `readSide` */
export async function schemaOf(side: string, options: SideOptions): Promise<string> {
  return scriptOf(await readSide(side, options))
}

export interface SchemaDiff {
  readonly from: string
  readonly to: string
  /** `missing`: not in `from`; `extra`: not in `to`. */
  readonly differences: readonly Pick<Difference, 'kind' | 'object' | 'name' | 'table'>[]
  /** The SQL that leads from one to the other. */
  readonly sql: string
  /** The differences that it leaves, as no way is known that would keep the rows. */
  readonly left: readonly string[]
}

/** @throws as `readSide` */
export async function diffSchemas(from: string, to: string, options: SideOptions): Promise<SchemaDiff> {
  const before = await readSide(from, options)
  const after = await readSide(to, options)
  const { leads, left } = await leadFrom(before, after, { extras: 'drop' })
  return {
    from,
    to,
    differences: compareSchemas(after.schema, before.schema).map(({ message, ...difference }) => ({
      ...difference,
      // Of a column or a constraint that is only in the database, the comparison says that its table differs.
      kind: message.endsWith('is in the database but in no migration') ? 'extra' : difference.kind,
    })),
    sql: scriptOfStatements(leads.flatMap(({ statements }) => statements)),
    left: left.map(({ name, object }) => `${object} ${name}`),
  }
}
