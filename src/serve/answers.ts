/** The paths of the status API, and what is answered at each. Nothing here changes anything. */
import { type ErrorCode, exitCodes, LockkeeperError, messageOf } from '../errors.ts'
import type { BackupList } from '../job/backups.ts'
import { type History, isReady, type Plan, type Status } from '../job/inspect.ts'
import type { Overview } from '../job/overview.ts'
import { exposition, expositionType } from '../report/exposition.ts'
import { redactedJson } from '../report/redact.ts'
import { Latest } from './latest.ts'
import { gaugesOf } from './metrics.ts'

/** What is asked of the database and of the repository; rejects when the signal is aborted, with its reason. */
export interface Questions {
  readonly status: (signal: AbortSignal) => Promise<Status>
  readonly plan: (signal: AbortSignal) => Promise<Plan>
  readonly history: (signal: AbortSignal) => Promise<History>
  /** Undefined: no repository is named. */
  readonly repository:
    | { readonly backups: () => Promise<BackupList>; readonly overview: () => Promise<Overview> }
    | undefined
}

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

interface Path {
  readonly says: string
  readonly answer: () => Promise<Answer>
  /** The status of every error. Default: by its code. */
  readonly failing?: number
}

/** How long an answer is given again, in milliseconds. Objects cost requests, and change less often. */
const keep = { database: 2_000, repository: 60_000 }
/** How long a look at either may take, in milliseconds. */
const patience = 30_000
/** How long metrics wait for either, in milliseconds; a scrape usually has ten seconds. */
const scrapePatience = 5_000

/** @param redact takes secrets out of a text. @param signal ends what is being asked */
export function answersTo(
  questions: Questions,
  redact: (text: string) => string,
  signal: AbortSignal,
): (path: string) => Promise<Answer> {
  const database = <T>(ask: (signal: AbortSignal) => Promise<T>) =>
    new Latest(() => inTime('the database', ask, signal), keep.database)
  const repository = <T>(ask: () => Promise<T>) =>
    new Latest(() => inTime('the repository', ask, signal), keep.repository)
  const status = database(questions.status)
  const plan = database(questions.plan)
  const history = database(questions.history)
  const backups = repository(questions.repository?.backups ?? noRepository)
  const overview = questions.repository && repository(questions.repository.overview)
  const json = (code: number, document: object) => ({
    status: code,
    type: 'application/json',
    body: `${redactedJson(document, redact, 2)}\n`,
  })
  const document = (what: Latest<object>) => async () => json(200, await what.get())

  const paths: Readonly<Record<string, Path>> = {
    '/healthz': { says: '200 as long as this process answers', answer: async () => text(200, 'ok\n') },
    '/readyz': {
      says: '200 when the database is at the level of this image and sound, else 503 and why',
      answer: async () => {
        const seen = await status.get()
        const { hint, level, pending, problem, state } = seen
        const ready = isReady(seen)
        return json(ready ? 200 : 503, { ready, state, level, pending, problem, hint })
      },
      failing: 503,
    },
    '/status': { says: 'as lockkeeper status --json', answer: document(status) },
    '/plan': { says: 'as lockkeeper plan --json', answer: document(plan) },
    '/history': { says: 'as lockkeeper history --json', answer: document(history) },
    '/backups': { says: 'as lockkeeper backups --json', answer: document(backups) },
    '/metrics': {
      says: 'for Prometheus',
      answer: async () => {
        const soon = async <T>(what: Latest<T>) => (await what.soon(scrapePatience)) ?? null
        const [seen, stored] = await Promise.all([soon(status), overview && soon(overview)])
        return { status: 200, type: expositionType, body: exposition(gaugesOf(seen, stored), redact) }
      },
    },
  }
  const list = Object.entries(paths).map(([path, { says }]) => `${path.padEnd(10)} ${says}\n`)

  return async path => {
    if (path === '/') return text(200, list.join(''))
    const known = Object.hasOwn(paths, path) ? paths[path] : undefined
    if (known === undefined)
      return json(404, errorDocument('missing', 'there is nothing at this path', 'GET / lists what there is.'))
    try {
      return await known.answer()
    } catch (error) {
      if (error instanceof LockkeeperError)
        return json(
          known.failing ?? statusOf(error.code),
          errorDocument(error.code, error.message, error.hint, error.details),
        )
      return json(500, errorDocument('internal', `a bug in Lockkeeper: ${messageOf(error)}`, 'Please report it.'))
    }
  }
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body }
}

/** As a command with --json shows an error. */
function errorDocument(code: ErrorCode, message: string, hint?: string, details: object = {}): object {
  return { error: { code, exit: exitCodes[code].exit, message, hint: hint ?? null, details } }
}

function statusOf(code: ErrorCode): number {
  if (code === 'missing') return 404
  return code === 'internal' || code === 'config' ? 500 : 503
}

/** Ends what is asked when it takes too long, and waits for it no longer where that does not help. */
async function inTime<T>(what: string, ask: (signal: AbortSignal) => Promise<T>, stop: AbortSignal): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(tooSlow(what)), patience)
  const signal = AbortSignal.any([stop, late.signal])
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    return await Promise.race([ask(signal), aborted])
  } catch (error) {
    throw late.signal.aborted ? late.signal.reason : error
  } finally {
    clearTimeout(timer)
  }
}

function tooSlow(what: string): LockkeeperError {
  return new LockkeeperError('busy', `${what} was not read within ${patience / 1000} s`, {
    hint: 'Is it still there, and as fast as usual?',
  })
}

async function noRepository(): Promise<never> {
  throw new LockkeeperError('missing', 'no repository is named', {
    hint: 'Start serve with LOCKKEEPER_REPOSITORY (or --repository).',
  })
}
