/** Migrations as values, for what is decided about them without running any. */
import { type Directives, defaultDirectives, type Migration } from '../../src/migrations/model.ts'

interface Given {
  readonly up?: string
  readonly down?: string
  readonly checksum?: string
  readonly dependencies?: readonly string[]
  readonly directives?: Partial<Directives>
}

export function migration(version: string, given: Given = {}): Migration {
  const { up = '', down, checksum = `checksum of ${version}`, dependencies = [], directives = {} } = given
  return {
    version,
    description: `description of ${version}`,
    dependencies,
    file: `${version}.sql`,
    checksum,
    up: { kind: 'sql', sql: up, line: 1 },
    down: down === undefined ? undefined : { kind: 'sql', sql: down, line: 1 },
    directives: { ...defaultDirectives, ...directives },
    lintIgnore: [],
  }
}

export const versionsOf = (list: readonly { readonly version: string }[]): string[] =>
  list.map(({ version }) => version)
