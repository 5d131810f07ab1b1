/** Builds `dist/` once before the tests: commands are tested by spawning the program that ships. */
import { build } from '../scripts/build.ts'

export default build
