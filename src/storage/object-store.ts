/**
 * The port to an object store: what a repository needs of a folder on disk or of a bucket, and no more.
 * Every implementation passes the one contract suite in `test/storage/contract.ts`.
 *
 * Keys are relative, `/` between their parts, made of `A-Z a-z 0-9 . _ + -`; no part begins with a dot or is longer
 * than 255 bytes, no key than 512, and no key is the folder of another (`a` and `a/b`). An object is bytes under a key;
 * it is written whole or not at all, and a reader never sees a part of one. Failures reject with a `LockkeeperError`:
 * `storage` (cannot be reached, refuses, broke off), `denied`, `config`, `io`, `invalid` (not a key; something is in
 * the store that cannot have been put there).
 */

export interface ObjectInfo {
  readonly key: string
  readonly size: number
  /** Changes whenever the content does; opaque. For `putIfUnchanged`. */
  readonly etag: string
  readonly modified: Date
}

export interface ObjectStore {
  /** Where it is, for messages: `file:///backups`, `s3://bucket/prefix`. Never contains a secret. */
  readonly url: string

  /**
   * Writes an object unless there is one under that key already; of several at once exactly one is `stored`.
   * Durable when it resolves, with either answer. Repeating it is safe.
   */
  putIfAbsent(key: string, body: Uint8Array): Promise<'stored' | 'exists'>

  /** Replaces an object whose etag is still this one; `changed` if it is another or the object is gone. Durable when it resolves. */
  putIfUnchanged(key: string, body: Uint8Array, etag: string): Promise<'stored' | 'changed'>

  /**
   * Writes many objects for the price of few barriers. `put` is as `putIfAbsent`, but an object may become visible, and
   * durable, only with `flush()`: after it everything put before is both, in this order: never visible under its key
   * with content that a power cut could still take away. Several puts may run at once. When two batches put the same
   * key at the same time, both may hear `stored`, and the content is that of one of them: so it is for names that
   * follow from the content. A put that rejects has stored nothing. After a flush that rejected, some of it may be
   * stored, and the batch is of no further use.
   */
  batch(): Batch

  /** The content from the first byte, or undefined when there is no such object. The stream errors if it breaks off. Read it to the end or cancel it. */
  get(key: string): Promise<ReadableStream<Uint8Array> | undefined>

  /** Everything under a prefix of the key (a plain string prefix, not a folder), in ascending order of the key's bytes. */
  list(prefix: string): AsyncIterable<ObjectInfo>

  /** Undefined when there is no such object. */
  head(key: string): Promise<ObjectInfo | undefined>

  /** Deletes what is there; what is not there is no error. Durable when it resolves. */
  deleteMany(keys: readonly string[]): Promise<void>

  /** How many bytes still fit; undefined where that cannot be told, or there is no end to it. */
  freeBytes(): Promise<number | undefined>

  /** Lets go of connections, and of batches that were not flushed. Nothing else may be called afterwards. */
  close(): Promise<void>
}

export interface PutOptions {
  /**
   * Nothing else holds the body, and once it is stored the caller does not use it again: the store may give back its
   * memory at once. Default false.
   */
  readonly give?: boolean
}

export interface Batch {
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<'stored' | 'exists'>
  flush(): Promise<void>
}
