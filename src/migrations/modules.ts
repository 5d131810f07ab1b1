/**
 * What migration modules export, found out in a process of its own: whatever a module does when it is imported (print,
 * wait for ever, end the process, open the database) must not happen in the program that Lockkeeper runs in.
 */
import { spawn } from 'node:child_process'
import { endWithParent } from '../database/end-with-parent.ts'

export interface ModuleExports {
  /** `typeof` of the export. */
  readonly up: string
  readonly down: string
  readonly description: unknown
  readonly dependencies: unknown
  /** There is an `up`, but inside the default export. */
  readonly byDefault: boolean
}

/** How long one module may take to load, in milliseconds. */
const defaultLimit = 60_000

/** The exit code when nothing is left that could settle a promise that a module awaits; Node has the same. */
const unsettled = 13

/** Imports one module after the other and says of each what it exports, or why it cannot be imported. */
const program = `
import { Worker } from 'node:worker_threads'
process.once('message', async urls => {
  process.channel.unref()
  const watch = new Worker(${JSON.stringify(endWithParent)}, { eval: true, execArgv: [] })
  await new Promise(resolve => watch.once('message', resolve))
  watch.unref()
  process.on('beforeExit', () => process.exit(${unsettled}))
  for (const url of urls) {
    const answer = await look(url)
    await new Promise(resolve => process.send(answer, resolve))
  }
  process.exit(0)
})
async function look(url) {
  try {
    const { up, down, description, dependencies, default: other } = await import(url)
    const exported = { up: typeof up, down: typeof down, description, dependencies, byDefault: typeof other?.up === 'function' }
    JSON.stringify(exported)
    return { exported }
  } catch (error) {
    const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1))
    const places = String(error?.stack).split('\\n').filter(text => text.includes(name))
    const line = places.map(text => /:(\\d+)(?::\\d+)?\\)?$/.exec(text)?.[1]).find(Boolean)
    return { error: String(error?.message ?? error), line }
  }
}`

type Answer = { readonly exported: ModuleExports } | { readonly error: string; readonly line?: string }

/**
 * Imports modules in a child process.
 * @param urls `file:` URLs
 * @param limit how long each may take, in milliseconds; default 60,000
 * @param signal ends it, whatever a module is doing; then it rejects with its reason
 * @returns for each module what it exports, or an Error that says why it cannot be imported
 */
export async function inspectModules(
  urls: readonly string[],
  limit: number = defaultLimit,
  signal?: AbortSignal,
): Promise<(ModuleExports | Error)[]> {
  const found: (ModuleExports | Error)[] = []
  // A module that ends the process, or never ends loading, is passed over; those after it are looked at by another child.
  while (found.length < urls.length) {
    const rest = urls.slice(found.length)
    const answers = await inspectTogether(rest, limit, signal)
    found.push(...answers)
  }
  return found
}

/** Answers for the first ones, at least for one. */
function inspectTogether(
  urls: readonly string[],
  limit: number,
  signal?: AbortSignal,
): Promise<(ModuleExports | Error)[]> {
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const found: (ModuleExports | Error)[] = []
    const child = spawn(process.execPath, ['--input-type=module', '--no-warnings', '--eval', program], {
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    })
    const stop = () => child.kill('SIGKILL')
    signal?.addEventListener('abort', stop)
    let late = false
    const kill = () => {
      late = true
      child.kill('SIGKILL')
    }
    let timer = setTimeout(kill, limit)
    child.on('error', reject)
    child.on('message', (answer: Answer) => {
      clearTimeout(timer)
      timer = setTimeout(kill, limit)
      found.push(read(answer))
    })
    child.on('close', (code, ending) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      if (signal?.aborted) return reject(signal.reason)
      if (found.length < urls.length) found.push(new Error(whyNot(late, code ?? ending, limit)))
      resolve(found)
    })
    child.send(urls)
  })
}

function read(answer: Answer): ModuleExports | Error {
  if ('exported' in answer) return answer.exported
  const where = answer.line === undefined ? '' : ` (line ${answer.line})`
  return new Error(`it cannot be imported: ${answer.error}${where}`)
}

function whyNot(late: boolean, end: number | string | null, limit: number): string {
  if (late) return `it does not finish loading in ${limit / 1000} s`
  if (end === unsettled) return 'it never finishes loading: it awaits a promise that nothing settles'
  return `importing it ended the process (${typeof end === 'number' ? `exit code ${end}` : end}): a migration changes nothing before its up is called`
}
