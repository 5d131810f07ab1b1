/**
 * The last word for Kubernetes: `kubectl describe pod` shows what a container wrote to its termination message path
 * (https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/).
 */
import { statSync, writeFileSync } from 'node:fs'

const defaultPath = '/dev/termination-log'
/** All containers of a pod share 12 KiB of it; one takes no more than this. */
const largest = 1024

/** Bytes that the sentence may have in any case. */
const forSentence = 256

/**
 * One sentence for a person on the first line, one line of JSON on the second; together at most 1 KiB of UTF-8.
 * @param facts the ones that matter most first: where they are too long, the last ones are left out
 */
export function terminationMessage(sentence: string, facts: object): string {
  const entries = Object.entries(facts)
  let json = JSON.stringify(facts)
  while (Buffer.byteLength(json) > largest - 1 - forSentence && entries.length > 0) {
    entries.pop()
    json = JSON.stringify(Object.fromEntries(entries))
  }
  const first = sentence.replace(/\s+/g, ' ').trim()
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
  // No character has less than a byte; what is cut in two at the end is left out.
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes - Buffer.byteLength('…')))
  return `${text.slice(0, read)}…`
}
