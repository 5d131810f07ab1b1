/** A program of its own that has a private folder until it is killed. `node private-folder-process.ts <tmpdir>` */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inPrivateFolder } from '../../src/job/private-folder.ts'

await inPrivateFolder(process.argv[2] ?? '', async folder => {
  await writeFile(join(folder, 'copy.db'), 'a copy')
  process.stdout.write(`${folder}\n`)
  await new Promise(resolve => process.stdin.on('end', resolve).resume())
})
