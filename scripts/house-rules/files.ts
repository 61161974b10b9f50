/** Files are named after their concept, rooms say their contract, and a test that doesn't run says why. */
import { PARTICIPANTS_REGISTRY } from './house.ts'
import { type Finding, findInCode, isWithin, type SourceFile } from './sources.ts'

const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:(?:\.database)?\.test|\.config)?\.ts$/

export function checkNames(files: readonly SourceFile[]): Finding[] {
  return files
    .filter(({ path }) => !KEBAB_CASE.test(baseName(path)))
    .map(({ path }) => ({ path, line: 1, message: 'a file is named after its concept, in kebab-case' }))
}

/**
 * A folder of src, and a participant, opens with the contract for its caller: a comment at the head of its main
 * file. Where a folder holds only folders (src/sdk), each of these does.
 */
export function checkContracts(files: readonly SourceFile[]): Finding[] {
  const product = files.filter(
    ({ path, isTest }) =>
      !isTest && path !== PARTICIPANTS_REGISTRY && (isWithin(path, 'src') || isWithin(path, 'participants')),
  )
  return [...groupByFolder(product, 2)].flatMap(([room, inRoom]) => {
    if (inRoom.some(({ path }) => folderOf(path) === room)) return checkContract(room, inRoom)
    return [...groupByFolder(inRoom, 3)].flatMap(([below, inBelow]) => checkContract(below, inBelow))
  })
}

function checkContract(folder: string, inFolder: readonly SourceFile[]): Finding[] {
  const mains = mainFiles(
    folder,
    inFolder.filter(({ path }) => folderOf(path) === folder),
  )
  if (mains.some(({ source }) => opensWithComment(source))) return []
  const message = `${folder} has no contract: say at the head of its main file what its callers may rely on`
  return [{ path: mains[0]?.path ?? folder, line: 1, message }]
}

/** index.ts, main.ts or the file named as the folder; where there is none, any file may say it. */
function mainFiles(folder: string, direct: readonly SourceFile[]): readonly SourceFile[] {
  const names = ['index.ts', `${baseName(folder)}.ts`, 'main.ts'].map((name) => `${folder}/${name}`)
  const main = direct.filter(({ path }) => names.includes(path))
  return main.length > 0 ? main : direct
}

function groupByFolder(files: readonly SourceFile[], depth: number): Map<string, SourceFile[]> {
  return Map.groupBy(files, ({ path }) => path.split('/').slice(0, depth).join('/'))
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function opensWithComment(source: string): boolean {
  return /^(?:#!.*\n)?\s*\/[*/]/.test(source)
}

const SKIPPED = /\b(?:it|test|describe|suite)(?:\s*\.\s*\w+)*\s*\.\s*(?:skip|skipIf|runIf|todo|fails)\b/g
const FOCUSED = /\b(?:it|test|describe|suite)(?:\s*\.\s*\w+)*\s*\.\s*only\b/g

/** A skipped test needs a comment on its line or the one above that says when and why. A focused one hides the others. */
export function checkTests(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    const lines = file.source.split('\n')
    const skipped = findInCode(file, SKIPPED)
      .filter(({ line }) => !hasComment(lines[line - 1]) && !hasComment(lines[line - 2]))
      .map(({ line, text }) => ({
        path: file.path,
        line,
        message: `${text} without a comment that says why`,
      }))
    const focused = findInCode(file, FOCUSED).map(({ line, text }) => ({
      path: file.path,
      line,
      message: `${text} hides every other test`,
    }))
    return [...skipped, ...focused]
  })
}

function hasComment(line: string | undefined): boolean {
  return line !== undefined && /\/\/|\*\//.test(line)
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
