/**
 * The rules of the house that no linter knows: floors, rooms, purity, contracts. `scripts/tidy` runs them over the
 * repository and fails where one is broken; how long a function and a file may be is in .oxlintrc.json.
 */
import { checkContracts, checkNames, checkTests } from './files.ts'
import { checkFloors } from './floors.ts'
import { checkPackages, checkSansIo } from './rooms.ts'
import { type Finding, readSources, type SourceFile } from './sources.ts'

const RULES: Readonly<Record<string, (files: readonly SourceFile[]) => Finding[]>> = {
  floors: checkFloors,
  packages: checkPackages,
  'sans-io': checkSansIo,
  names: checkNames,
  contracts: checkContracts,
  tests: checkTests,
}

export interface Report {
  readonly fileCount: number
  /** `src/base/ids.ts:3  floors  what is wrong`, in the order of the files. */
  readonly lines: readonly string[]
}

export function inspectHouse(root: string): Report {
  const files = readSources(root)
  const lines = Object.entries(RULES)
    .flatMap(([rule, check]) => check(files).map((finding) => ({ rule, ...finding })))
    .toSorted((left, right) => left.path.localeCompare(right.path) || left.line - right.line)
    .map(({ rule, path, line, message }) => `${path}:${line}  ${rule}  ${message}`)
  return { fileCount: files.length, lines }
}
