/**
 * The last word for Kubernetes: `kubectl describe pod` shows what a container wrote to its termination message path
 * (https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/).
 */
import { statSync, writeFileSync } from 'node:fs'

const defaultPath = '/dev/termination-log'
/** All containers of a pod share 12 KiB of it; one takes no more than this. */
const largest = 1024

/**
 * One sentence for a person on the first line, one line of JSON on the second; together at most 1 KiB of UTF-8. The
 * sentence is shortened before the JSON is, for the JSON is complete or not there.
 */
export function terminationMessage(sentence: string, facts: object): string {
  const json = JSON.stringify(facts)
  const first = sentence.replace(/\s+/g, ' ').trim()
  if (Buffer.byteLength(json) > largest - 200) return shorten(first, largest)
  return `${shorten(first, largest - 1 - Buffer.byteLength(json))}\n${json}`
}

/** Where it goes: what is set, or the default where that exists. Never throws: the job's own result matters more. */
export function writeTermination(path: string | undefined, message: string): void {
  try {
    if (path === undefined) statSync(defaultPath)
    writeFileSync(path ?? defaultPath, message)
  } catch {
    // Not in Kubernetes, or not writable.
  }
}

function shorten(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text
  let short = text
  while (Buffer.byteLength(short) > bytes - 3) short = short.slice(0, -1)
  return `${short.toWellFormed()}…`
}
