/**
 * The table of recovery-tests/README.md: fault, what happens, the tests that show it. What a row may name as its test, each
 * between backticks:
 *
 *   kill-9, real-databases/rounds   a folder of recovery-tests, or a test file in one
 *   fault NAME                      a fault of the simulator
 *   --break NAME                    a bug that the simulator must catch
 *   src/protocol/transcripts        a folder with tests, or a test file, from the root
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BREAKS } from '../../src/simulation/breaks/index.ts'
import { CHANCE_FAULT_KINDS, TIMED_FAULT_KINDS } from '../../src/simulation/fault-kinds.ts'

const FOLDER = 'recovery-tests'

export interface Row {
  readonly fault: string
  readonly tests: readonly string[]
}

export function readRows(root: string): readonly Row[] {
  const page = readFileSync(join(root, FOLDER, 'README.md'), 'utf8')
  return page
    .split('\n')
    .filter((line) => /^\| (?!-|fault )/.test(line))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim())
      const tests = [...(cells[3] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
      return { fault: cells[1] ?? '', tests }
    })
}

/** Whether there is such a test. */
export function exists(root: string, test: string): boolean {
  const [kind, name = ''] = test.split(' ')
  if (kind === 'fault') return simulatedFaults().includes(test)
  if (kind === '--break') return BREAKS.some((known) => known.name === name)
  return [`${FOLDER}/${test}`, test].some(
    (place) => hasTests(join(root, place)) || existsSync(join(root, `${place}.test.ts`)),
  )
}

/** As a row names them. */
export function simulatedFaults(): readonly string[] {
  return [...CHANCE_FAULT_KINDS, ...TIMED_FAULT_KINDS].map((name) => `fault ${name}`)
}

/** The folders of recovery-tests that have tests; what they share is none. */
export function suites(root: string): readonly string[] {
  return readdirSync(join(root, FOLDER)).filter(
    (name) => name !== 'harness' && hasTests(join(root, FOLDER, name)),
  )
}

function hasTests(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
    return path.endsWith('.test.ts') && existsSync(path)
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.test.ts'))
}
