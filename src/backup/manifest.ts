/**
 * The manifest of a backup: what was backed up, from which chunks it is put together, and under which circumstances.
 * It is written last and never changed: a backup exists when its manifest does. It carries a hash of itself.
 */

import { type Json, jsonBytes, sealOf } from './canonical.ts'
import {
  backupId,
  chunksInList,
  idInKey,
  largestChunkSize,
  listKeyPattern,
  sha256Pattern,
  smallestChunkSize,
  type Tier,
  tiers,
} from './format.ts'
import { parseSealed, Untrusted } from './untrusted.ts'

/** What is known about the database, as SQLite says it. Further facts may be added, one value each. */
export interface DatabaseFacts {
  /** Bytes of a page. */
  readonly pageSize: number
  /** `wal`, `delete`, ... */
  readonly journalMode: string
  /** `UTF-8`, `UTF-16le`, `UTF-16be`. */
  readonly encoding: string
  readonly [fact: string]: string | number | boolean | null
}

/** Where and by what a backup or a check was made. What is not known is left out. */
export interface Origin {
  readonly host: string
  readonly pod?: string
  readonly namespace?: string
  readonly node?: string
  readonly image?: string
  readonly job?: string
}

export interface Engine {
  /** Versions. */
  readonly lockkeeper: string
  readonly node: string
  readonly sqlite: string
}

export interface SchemaFacts {
  /** The newest applied migration, or null when there is none. */
  readonly level: string | null
  /** A hash of the schema, or null when it could not be read. */
  readonly fingerprint: string | null
  /** How many migrations are applied. */
  readonly applied: number
}

export interface Manifest {
  readonly format: number
  /** The name of the manifest without folder and `.json`. */
  readonly id: string
  /** The id of the repository that it belongs to. */
  readonly repository: string
  /** Counts up; two backups that were made at the same time may share a number. */
  readonly sequence: number
  /** When these bytes were the database's. ISO 8601, UTC, milliseconds. */
  readonly createdAt: string
  /** At least one, in the order of `tiers` in `format.ts`. */
  readonly tiers: readonly Tier[]
  readonly note?: string
  readonly database: DatabaseFacts & { readonly name: string; readonly bytes: number; readonly sha256: string }
  /** `size` and `count` of the chunks, and the lists that name them in order. The last chunk may be shorter. */
  readonly chunks: { readonly size: number; readonly count: number; readonly lists: readonly string[] }
  /** What this backup added to the repository: chunks, and their compressed bytes. */
  readonly stored: { readonly chunks: number; readonly bytes: number }
  readonly schema: SchemaFacts
  /** Rows by table, where they were counted. */
  readonly tables?: Readonly<Record<string, number>> | undefined
  readonly engine: Engine
  readonly by: Origin
  /** A backup of a damaged database is kept, but never counts as good. */
  readonly damaged: false | { readonly reason: string }
  /** SHA-256 over the canonical JSON of everything else. */
  readonly sha256: string
}

/** Adds the hash. */
export function sealManifest(content: Omit<Manifest, 'sha256'>): Manifest {
  return { ...content, sha256: sealOf(content as unknown as Json) }
}

/** The bytes of the object. */
export function manifestBytes(manifest: Manifest): Uint8Array {
  return jsonBytes(manifest as unknown as Json)
}

/**
 * Reads a manifest that somebody wrote; `key` is where it belongs, `found` where it was found. Throws `invalid`, naming
 * that place and the field, when anything is not as it has to be, and `config` when a newer version wrote it.
 */
export function parseManifest(bytes: Uint8Array, key: string, found = key): Manifest {
  const fields = new Untrusted(parseSealed(bytes, found), found)
  const manifest = { ...readManifest(fields), sha256: fields.field('sha256').string() }
  if (idInKey(key) !== manifest.id) throw fields.field('id').error('does not match the name of the object')
  const named = backupId({ ...manifest, createdAt: new Date(manifest.createdAt), level: manifest.schema.level })
  if (named !== manifest.id) throw fields.field('id').error('does not match sequence, createdAt, tiers and level')
  return manifest
}

function readManifest(fields: Untrusted): Omit<Manifest, 'sha256'> {
  const note = fields.optional('note')
  const tables = fields.optional('tables')
  const database = readDatabase(fields.field('database'))
  const stored = fields.field('stored')
  const schema = fields.field('schema')
  const engine = fields.field('engine')
  const damaged = fields.field('damaged')
  return {
    format: fields.field('format').integer(1),
    id: fields.field('id').string({ most: 255 }),
    repository: fields.field('repository').string({ most: 64 }),
    sequence: fields.field('sequence').integer(1, 1e12 - 1),
    createdAt: fields.field('createdAt').moment(),
    tiers: readTiers(fields.field('tiers')),
    ...(note === undefined ? {} : { note: note.string({ most: 4096 }) }),
    database,
    chunks: readChunks(fields.field('chunks'), database.bytes),
    stored: { chunks: stored.field('chunks').integer(0), bytes: stored.field('bytes').integer(0) },
    schema: {
      level: stringOrNull(schema.field('level')),
      fingerprint: stringOrNull(schema.field('fingerprint')),
      applied: schema.field('applied').integer(0),
    },
    ...(tables === undefined
      ? {}
      : { tables: Object.fromEntries(tables.entries(1e5).map(([name, rows]) => [name, rows.integer(0)])) }),
    engine: {
      lockkeeper: engine.field('lockkeeper').string({ most: 100 }),
      node: engine.field('node').string({ most: 100 }),
      sqlite: engine.field('sqlite').string({ most: 100 }),
    },
    by: readOrigin(fields.field('by')),
    damaged: damaged.is(false) ? false : { reason: damaged.field('reason').string({ most: 4096 }) },
  }
}

function readTiers(field: Untrusted): Tier[] {
  const found = field.array(tiers.length).map(tier => tier.oneOf(tiers))
  const positions = found.map(tier => tiers.indexOf(tier))
  if (found.length === 0) throw field.error('is empty')
  if (positions.some((position, index) => index > 0 && position <= (positions[index - 1] ?? 0))) {
    throw field.error('is not in order or names one twice')
  }
  return found
}

function readDatabase(field: Untrusted): Manifest['database'] {
  return {
    ...Object.fromEntries(field.entries(100).map(([name, value]) => [name, value.scalar()])),
    name: field.field('name').string({ least: 1, most: 200 }),
    bytes: field.field('bytes').integer(0),
    sha256: field.field('sha256').string({ pattern: sha256Pattern }),
    pageSize: field.field('pageSize').integer(0, 65536),
    journalMode: field.field('journalMode').string({ most: 100 }),
    encoding: field.field('encoding').string({ most: 100 }),
  }
}

function readChunks(field: Untrusted, bytes: number): Manifest['chunks'] {
  const size = field.field('size').integer(smallestChunkSize, largestChunkSize)
  const count = field.field('count').integer(0)
  if (count !== Math.ceil(bytes / size))
    throw field.field('count').error(`does not fit ${bytes} bytes in chunks of ${size}`)
  // The same list may stand there twice: long runs of zeros look like that.
  const lists = field.field('lists')
  const keys = lists.array(1e5).map(list => list.string({ pattern: listKeyPattern }))
  if (keys.length !== Math.ceil(count / chunksInList))
    throw lists.error(`are ${keys.length}, which does not fit ${count} chunks`)
  return { size, count, lists: keys }
}

/** Where something was made. */
export function readOrigin(field: Untrusted): Origin {
  const optional = ['pod', 'namespace', 'node', 'image', 'job'] as const
  return {
    host: field.field('host').string({ most: 512 }),
    ...Object.fromEntries(
      optional.flatMap(name => {
        const value = field.optional(name)
        return value === undefined ? [] : [[name, value.string({ most: 512 })]]
      }),
    ),
  }
}

function stringOrNull(field: Untrusted): string | null {
  return field.isNull() ? null : field.string({ most: 512 })
}
