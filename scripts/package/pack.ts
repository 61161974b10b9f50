/** Makes the tarball, as `npm publish` would. */
import { join } from 'node:path'
import { objectionsToContents, type PackedFile } from './contents.ts'
import { run } from './run.ts'
import { objectionsToStarts } from './starts.ts'

export interface Tarball {
  readonly file: string
  readonly packedBytes: number
  readonly unpackedBytes: number
  readonly files: readonly PackedFile[]
}

interface PackReport {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly PackedFile[]
}

/** dist/ is built. Throws where the tarball would hold what it mustn't, or not what it must. */
export async function pack(root: string, folder: string): Promise<Tarball> {
  const said = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
  })
  const [report] = JSON.parse(said) as PackReport[]
  if (report === undefined) throw new Error('npm pack made no tarball')
  const objections = [...objectionsToContents(report.files), ...objectionsToStarts(root, report.files)]
  if (objections.length > 0) throw new Error(`the tarball is wrong:\n  ${objections.join('\n  ')}`)
  return {
    file: join(folder, report.filename),
    packedBytes: report.size,
    unpackedBytes: report.unpackedSize,
    files: report.files,
  }
}
