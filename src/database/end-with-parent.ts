/**
 * For a worker thread of a child process, as a text: it waits until the parent's end of standard input is closed, then ends
 * the whole process, whatever that is doing. It says `watching` first: before that nobody would end it.
 *
 * A socket and no blocking read: the process could not exit by itself while a thread is inside one. A text and not a
 * file: it starts in a third of the time.
 */
export const endWithParent = `
  const end = () => process.kill(process.pid, 'SIGKILL')
  new (require('node:net').Socket)({ fd: 0 }).on('end', end).on('error', end).on('close', end).resume()
  require('node:worker_threads').parentPort.postMessage('watching')
`
