/** Reading the bytes of a database file in a process of its own, so that closing it takes away nobody's locks. */
import { explainSystemError } from '../errors.ts'
import { DatabaseProcess } from './child-process.ts'

export interface ByteReader {
  /** Fills the buffer from a position in the file. @returns how many bytes came, perhaps fewer; 0 at the end of the file */
  read(buffer: Buffer, position: number): Promise<number>
  close(): Promise<void>
}

/**
 * Starts the process. Nothing is opened before the first read.
 * @param path as it is from `realDatabasePath`
 */
export function readElsewhere(path: string, signal?: AbortSignal): ByteReader {
  const child = DatabaseProcess.start(signal)
  return {
    async read(buffer, position) {
      try {
        const bytes = await child.readBytes(path, position, buffer.byteLength)
        buffer.set(bytes)
        return bytes.byteLength
      } catch (error) {
        throw explainSystemError(error, `cannot read the database ${path}`)
      }
    },
    close: () => child.close(),
  }
}
