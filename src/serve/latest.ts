/**
 * A value that costs something to get. Who asks while it is being got waits for the same one, and for a while it is given
 * again, also where it could not be got: however often somebody asks, a database or a store is not asked more often.
 */
export class Latest<T> {
  readonly #get: () => Promise<T>
  readonly #keep: number
  #got: Promise<T> | undefined
  #until = 0

  /** @param keep for how long, in milliseconds, from when it was got */
  constructor(get: () => Promise<T>, keep: number) {
    this.#get = get
    this.#keep = keep
  }

  get(): Promise<T> {
    if (this.#got !== undefined && performance.now() < this.#until) return this.#got
    const got = this.#get()
    this.#got = got
    this.#until = Number.POSITIVE_INFINITY
    const settled = () => {
      this.#until = performance.now() + this.#keep
    }
    got.then(settled, settled)
    return got
  }
}
