/** The source files of a tree, read once, with the imports that each of them makes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { TEST_SUPPORT } from './house.ts'
import { lineAt, type Masked, mask } from './mask.ts'

/** The folders that hold TypeScript of ours. */
const ROOTS = ['src', 'participants', 'recovery-tests', 'scripts']
const GENERATED = 'src/wire/generated/'

export interface SourceFile {
  /** From the root of the tree, with forward slashes: `src/base/ids.ts`. */
  readonly path: string
  readonly source: string
  readonly masked: Masked
  readonly imports: readonly Import[]
  /** A test, or what only tests use. */
  readonly isTest: boolean
}

export interface Import {
  readonly line: number
  readonly specifier: string
  /** The imported file, from the root of the tree; undefined for a package or a built-in module. */
  readonly target: string | undefined
  /** The package or the built-in module (`node:fs`); undefined for a file. */
  readonly packageName: string | undefined
}

export interface Finding {
  readonly path: string
  readonly line: number
  /** What is wrong, and what to do. */
  readonly message: string
}

export function readSources(root: string): SourceFile[] {
  return ROOTS.flatMap((folder) => listFiles(root, folder))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.startsWith(GENERATED))
    .toSorted()
    .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
}

function readSource(path: string, source: string): SourceFile {
  const masked = mask(source)
  return {
    path,
    source,
    masked,
    imports: listImports(path, source, masked),
    isTest: isTestPath(path),
  }
}

export function isTestPath(path: string): boolean {
  return path.endsWith('.test.ts') || TEST_SUPPORT.test(path)
}

/** Whether the path lies in the folder, or is it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** Every place where the pattern, which must be global, matches the code. */
export function findInCode(
  file: SourceFile,
  pattern: RegExp,
): { readonly line: number; readonly text: string }[] {
  return [...file.masked.code.matchAll(pattern)].map((match) => ({
    line: lineAt(file.source, match.index),
    text: match[0],
  }))
}

function listFiles(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
      .filter((path) => !path.includes('/node_modules/'))
  } catch {
    return []
  }
}

/** `from`, `import` and `import(` before a string: the three forms in which a module is named. */
const IMPORT_BEFORE_STRING = /(?:\bfrom|\bimport|\bimport\s*\()\s*$/

function listImports(path: string, source: string, masked: Masked): Import[] {
  return masked.strings
    .filter(({ offset }) => IMPORT_BEFORE_STRING.test(masked.code.slice(Math.max(0, offset - 40), offset)))
    .map(({ offset, value }) => ({
      line: lineAt(source, offset),
      specifier: value,
      target: value.startsWith('.') ? posix.join(posix.dirname(path), value) : undefined,
      packageName: value.startsWith('.') ? undefined : packageOf(value),
    }))
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
