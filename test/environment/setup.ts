/**
 * Before the tests, once: the programs they need, and `dist/`, since commands are tested by spawning the program that
 * ships. What only some tests need (a Docker Engine, images) comes up when they ask for it, and ends with the run.
 */
import type { TestProject } from 'vitest/node'
import { build } from '../../scripts/build.ts'
import { goProgram } from './go-programs.ts'
import { ensurePrograms } from './programs.ts'
import { step } from './say.ts'
import { startService } from './service.ts'

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await ensurePrograms()
  await step('Building dist/', build)
  // Built once on a machine, in minutes: no test's time-out is for that.
  for (const name of ['versitygw', 'minio'] as const) await goProgram(name)
  const service = await startService()
  project.provide('environment', service.address)
  return () => service.end()
}
