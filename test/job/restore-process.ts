/** A restore in a process of its own, to be killed: `node restore-process.ts <database> <repository url> <tmpdir> <id>`. */
import { restore } from '../../src/job/restore.ts'

const [database, url, tmpdir, id] = process.argv.slice(2) as [string, string, string, string]
const say = (text: string) => process.stdout.write(`${text}\n`)

await restore({
  database,
  repository: { url },
  tmpdir,
  selection: { id },
  lockTimeout: 20_000,
  actor: { host: 'a test', pod: null, namespace: null, node: null, image: null, job: null },
  // From the lock on it is worth being killed.
  listener: event => {
    if (event.kind === 'step') say(event.step)
  },
  viewInProcess: true,
})
say('done')
