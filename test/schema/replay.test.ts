import { describe, expect, it } from 'vitest'
import { SqliteError } from '../../src/database/connection.ts'
import { replaySchema } from '../../src/schema/replay.ts'
import { openConnection, type TestConnection } from '../support/connection.ts'

/** Opens databases and remembers them. */
function opener() {
  const opened: TestConnection[] = []
  const open = async () => {
    const connection = openConnection()
    opened.push(connection)
    return connection
  }
  return { opened, open }
}

describe('a replay', () => {
  it('gives the schema that the work built', async () => {
    const { open } = opener()
    const schema = await replaySchema(open, async connection => {
      await connection.exec('CREATE TABLE t(a)')
      await connection.exec('ALTER TABLE t ADD b')
    })
    expect(schema.tables[0]!.columns.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('begins with nothing each time', async () => {
    const { open } = opener()
    await replaySchema(open, connection => connection.exec('CREATE TABLE t(a)'))
    expect((await replaySchema(open, async () => {})).tables).toEqual([])
  })

  it('closes the database afterwards', async () => {
    const { open, opened } = opener()
    await replaySchema(open, async () => {})
    expect(opened.map(({ native }) => native.isOpen)).toEqual([false])
  })

  it('closes it also when the work fails, and passes on why', async () => {
    const { open, opened } = opener()
    const replay = replaySchema(open, connection => connection.exec('CREATE TABLE t(a); SELECT nonsense'))
    await expect(replay).rejects.toThrow(SqliteError)
    await expect(replay).rejects.toThrow('no such column: nonsense')
    expect(opened.map(({ native }) => native.isOpen)).toEqual([false])
  })

  it('passes on why the work failed, not that closing failed too', async () => {
    const { open } = opener()
    // Closed by the work itself: a second close is an error of its own.
    const replay = replaySchema(open, async connection => {
      await connection.close()
      throw new Error('the real reason')
    })
    await expect(replay).rejects.toThrow('the real reason')
  })
})
