import { expect, test } from 'vitest'
import { isCurrent, pages } from '../../scripts/docs.ts'

test.each(Object.keys(pages))('%s is what the source says (npm run docs writes it anew)', async path => {
  expect(await isCurrent(path)).toBe(true)
})
