/** Whether somebody meant a known name and wrote it otherwise. */

/** What people write for a directive, without its spaces, hyphens and underscores, beyond slips of the finger. */
const aliases: Readonly<Record<string, string>> = {
  dependson: 'depends',
  dependency: 'depends',
  dependencies: 'depends',
  notransaction: 'transaction',
  allowloss: 'allow-row-loss',
  allowdataloss: 'allow-row-loss',
  rowloss: 'allow-row-loss',
  backwardcompatible: 'compatible',
  backwardscompatible: 'compatible',
}

/**
 * The known name that a word was probably meant for, or undefined. A slip counts (one letter too many, too few, wrong or
 * in its neighbour's place; two of them only in a name so long that no other word is that near to it), and so do other
 * signs between the parts, and an alias.
 */
export function meantName<Name extends string>(word: string, known: readonly Name[]): Name | undefined {
  const written = letters(word)
  const meant = aliases[written]
  return known.find(name => name === meant || distance(written, letters(name)) <= (letters(name).length < 12 ? 1 : 2))
}

function letters(word: string): string {
  return word.toLowerCase().replaceAll(/[\s_-]/g, '')
}

/** How many letters have to be added, removed, changed or swapped with their neighbour (optimal string alignment). */
export function distance(a: string, b: string): number {
  let twoBack: number[] = []
  let before = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(before[j]! + 1, row[j - 1]! + 1, before[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, twoBack[j - 2]! + 1)
      row.push(least)
    }
    twoBack = before
    before = row
  }
  return before[b.length]!
}
