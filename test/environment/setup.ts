/** Before the tests, once: the programs they need, and `dist/`, since commands are tested by spawning the program that ships. */
import { build } from '../../scripts/build.ts'
import { ensurePrograms } from './programs.ts'

export default async function setUp(): Promise<void> {
  ensurePrograms()
  await build()
}
