/**
 * glibc before 2.41 can lose the signal that wakes a waiting thread (https://sourceware.org/bugzilla/show_bug.cgi?id=25847).
 * In Node a request to a file then stays in the queue of the thread pool although its threads are idle, until the next
 * request comes; a job in which each step waits for the one before stands still for ever. Seen once in some 300 deploys
 * on a busy machine. So there is a next request every second, which costs nothing.
 */
import { stat } from 'node:fs'

const every = 1000

/** From now on, as long as the process has something else to do. */
export function outliveLostWakeups(): void {
  setInterval(() => stat('/', () => {}), every).unref()
}
