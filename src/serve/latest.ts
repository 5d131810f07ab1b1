/**
 * A value that costs something to get. Who asks while it is being got waits for the same one, and for a while it is given
 * again, also where it could not be got: however often somebody asks, a database or a store is not asked more often, and
 * is left alone for ten times as long as it took; for as long as it took where it was not to be had, so that what is
 * mended is seen soon.
 */
export class Latest<T> {
  readonly #get: () => Promise<T>
  readonly #keep: number
  #got: Promise<T> | undefined
  #last: T | undefined
  #until = 0

  /** @param keep for how long, in milliseconds, from when it was got */
  constructor(get: () => Promise<T>, keep: number) {
    this.#get = get
    this.#keep = keep
  }

  get(): Promise<T> {
    if (this.#got !== undefined && performance.now() < this.#until) return this.#got
    const began = performance.now()
    const got = this.#get()
    this.#got = got
    this.#until = Number.POSITIVE_INFINITY
    const settled = (value: T | undefined, times: number) => {
      this.#last = value
      const now = performance.now()
      this.#until = now + Math.max(this.#keep, times * (now - began))
    }
    got.then(
      value => settled(value, 10),
      () => settled(undefined, 1),
    )
    return got
  }

  /** The value, or, where it takes longer than that to get it, the one before; undefined: it cannot be had. */
  soon(milliseconds: number): Promise<T | undefined> {
    return new Promise(resolve => {
      const late = setTimeout(() => resolve(this.#last), milliseconds)
      this.get()
        .then(resolve, () => resolve(undefined))
        .finally(() => clearTimeout(late))
    })
  }
}
