/** Runs other programs without a shell, and tells in one error what failed and what it said. */
import { type ExecFileOptions, execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

export class CommandError extends Error {
  override readonly name = 'CommandError'
  /** Undefined when it did not start, or was ended by a signal. */
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string

  constructor(message: string, exitCode: number | undefined, stdout: string, stderr: string) {
    super(message)
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

/**
 * Standard output of a program that ended with 0, without the last line end. Rejects with a `CommandError` otherwise;
 * `timeout` is in milliseconds and ends the program by SIGKILL.
 */
export function run(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const settings = { maxBuffer: 64 * 1024 * 1024, killSignal: 'SIGKILL', ...options, encoding: 'utf8' } as const
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\n$/, ''))
      else {
        const how = error.killed
          ? 'took too long'
          : typeof error.code === 'number'
            ? `exit ${error.code}`
            : error.message
        const said = (stderr || stdout).trim().split('\n').slice(-20).join('\n')
        const exit = typeof error.code === 'number' ? error.code : undefined
        reject(new CommandError(`${program} ${args.join(' ')}: ${how}\n${said}`.trim(), exit, stdout, stderr))
      }
    })
    child.stdin?.end()
  })
}

/** Every file of that name on the path that can be run, in order, then `further` paths that can; each once. */
export async function programsNamed(name: string, ...further: readonly string[]): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  const candidates = new Set([...folders.map(folder => join(folder, name)), ...further])
  const found = await Promise.all([...candidates].map(async path => ((await canRun(path)) ? [path] : [])))
  return found.flat()
}

function canRun(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
