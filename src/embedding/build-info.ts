/** The version of the package that this file is part of. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../base/assert.ts'

let version: string | undefined

/** From package.json, which lies two folders up in the source tree and three in the built package. */
export function packageVersion(): string {
  version ??= readVersion(import.meta.dirname)
  return version
}

function readVersion(from: string): string {
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) {
    const found = tryReadPackage(join(folder, 'package.json'))
    if (found?.name === 'pledged' && found.version !== undefined) return found.version
  }
  assert(false, 'the program is part of its package')
}

function tryReadPackage(file: string): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string }
  } catch {
    return undefined
  }
}
