/** Chance that can be repeated: what is drawn depends on the seed and on the name of the draw, not on what came before. */
import { createHash } from 'node:crypto'

export class Draw {
  readonly seed: string

  constructor(seed: string) {
    this.seed = seed
  }

  /** From 0 to 1, without 1. */
  number(name: string): number {
    return createHash('sha256').update(`${this.seed}/${name}`).digest().readUInt32BE() / 2 ** 32
  }

  /** A whole number from `from` to `to`, both included. */
  between(name: string, from: number, to: number): number {
    return from + Math.floor(this.number(name) * (to - from + 1))
  }

  of<T>(name: string, list: readonly T[]): T {
    return list[this.between(name, 0, list.length - 1)] as T
  }

  /** @param weights how often each comes, relative to the others */
  weighted<T extends string>(name: string, weights: Readonly<Partial<Record<T, number>>>): T {
    const entries = Object.entries(weights) as [T, number][]
    let left = this.number(name) * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [value, weight] of entries) {
      left -= weight
      if (left < 0) return value
    }
    return entries.at(-1)?.[0] as T
  }

  chance(name: string, probability: number): boolean {
    return this.number(name) < probability
  }

  /** Draws of a part of this one. */
  part(name: string): Draw {
    return new Draw(`${this.seed}/${name}`)
  }
}
