/**
 * What a test asks the test environment for. The first one that does makes it come up, which from nothing takes minutes:
 * ask in a `beforeAll(..., patience)`. Rejects with a sentence that says what is missing.
 */
import { request } from 'node:http'
import { json, text } from 'node:stream/consumers'
import { inject } from 'vitest'
import { type Cluster, clusterOf } from './cluster.ts'
import type { Engine } from './docker.ts'
import type { Target } from './lockkeeper-image.ts'
import type { Answer, Question } from './service.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the environment's service listens. */
    environment: string
  }
}

/** For hooks that ask, in milliseconds: from nothing, on a small machine. */
export const patience = 30 * 60_000

/** A Docker Engine; also makes it the one that programs started from here find, by `DOCKER_HOST`. */
export async function engine(): Promise<Engine> {
  return (await ask({ want: 'engine' })).engine
}

/** Makes sure that there is an image of that name in the engine. */
export async function image(name: string): Promise<Engine> {
  return (await ask({ want: 'image', name })).engine
}

/** Lockkeeper's own image, built from this tree once a run: the engine, and the name of the image in it. */
export async function lockkeeperImage(
  target: Target = 'lockkeeper',
): Promise<{ readonly engine: Engine; readonly image: string }> {
  const { engine, image = '' } = await ask({ want: 'lockkeeper', target })
  return { engine, image }
}

/** A Kubernetes of one node, the same for every test of this run. */
export async function cluster(): Promise<Cluster> {
  const { cluster: kind } = await ask({ want: 'cluster' })
  if (kind === undefined) throw new Error('The environment has no cluster.')
  return clusterOf(kind)
}

async function ask(question: Question): Promise<Answer> {
  const answer = await new Promise<Answer>((resolve, reject) => {
    const asking = request({ socketPath: inject('environment'), method: 'POST', agent: false }, async response => {
      if (response.statusCode === 200) resolve((await json(response)) as Answer)
      else reject(new Error(await text(response)))
    })
    asking.once('error', reject)
    asking.end(JSON.stringify(question))
  })
  process.env['DOCKER_HOST'] = answer.engine.host
  return answer
}
