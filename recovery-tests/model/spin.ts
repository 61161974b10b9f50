/**
 * Runs spin over the model: it makes a checker in C, the compiler builds it, and the checker looks at every state that
 * can be reached. What it prints is read here, and read as a failure wherever the search was not complete.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const MODEL = join(import.meta.dirname, 'presumed-abort.pml')
const DEPTH_MAX = 100_000
const HASH_TABLE_BITS = 20
const MEMORY_MAX_MB = 900

/**
 * everything: all states, depth first; reports what was never reached. shortest: until the first violation, breadth
 * first, so that its trail is short. liveness: the LTL formula, over all runs.
 */
export type SearchKind = 'everything' | 'shortest' | 'liveness'

export interface SearchOptions {
  readonly kind: SearchKind
  /** Of the model: `UNDO_R1`. */
  readonly switches: readonly string[]
}

export interface SearchReport {
  /** The invariant or the formula that was broken; undefined: none. */
  readonly violated: string | undefined
  readonly states: number
  /** What the model's processes never did, as `statement` by process; their ends, which none has, left out. */
  readonly unreached: ReadonlyMap<string, readonly string[]>
  /** Shows the violation step by step; for a shell. */
  readonly replay: string
}

/** Why spin can't run here; undefined: it can. */
export function whyNotCheckable(): string | undefined {
  const missing = ['spin', 'gcc'].filter((program) => {
    const trial = spawnSync(program, [program === 'spin' ? '-V' : '--version'])
    return trial.error !== undefined || trial.status !== 0
  })
  if (missing.length === 0) return undefined
  return `the model can't be checked without ${missing.join(' and ')}: scripts/spin installs what is missing (Debian, as root)`
}

/** Throws where a tool failed, or the search ended before it was complete. */
export async function search(options: SearchOptions): Promise<SearchReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pledged-model-'))
  try {
    const output = await check(options, directory)
    const violated = violationOf(output)
    if (violated === undefined) assertComplete(output, options)
    return {
      violated,
      states: Number(/(\d+) states, stored/.exec(output)?.[1] ?? Number.NaN),
      unreached: unreachedOf(output),
      replay: replayOf(options),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function check(options: SearchOptions, directory: string): Promise<string> {
  const run = async (program: string, args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(program, args, { cwd: directory, maxBuffer: 1 << 26 })
    return stdout
  }
  await run('spin', ['-o3', ...flagsOf(options), '-a', MODEL])
  await run('gcc', [...compilerFlags(options.kind), '-o', 'pan', 'pan.c'])
  return run(join(directory, 'pan'), checkerFlags(options.kind))
}

/** Short trails have whole steps; a complete search shows what within a step was never reached. */
function flagsOf({ kind, switches }: SearchOptions): string[] {
  const steps = kind === 'everything' ? [] : ['-DSTEP=d_step']
  return [...steps, ...switches.map((name) => `-D${name}`)]
}

/** Not optimised: that would take longer than the search that it hastens. */
function compilerFlags(kind: SearchKind): string[] {
  const common = ['-O0', '-w', `-DMEMLIM=${MEMORY_MAX_MB}`]
  switch (kind) {
    case 'everything':
      return [...common, '-DSAFETY']
    case 'shortest':
      return [...common, '-DSAFETY', '-DBFS']
    case 'liveness':
      return common
  }
}

/**
 * Without `-f`: spin's fairness passes over runs that come to a stop, which is what a coordinator that gives up does.
 * It isn't needed: no run of the model goes on for ever, so that every one of them must stop where all has ended.
 */
function checkerFlags(kind: SearchKind): string[] {
  return [`-m${DEPTH_MAX}`, `-w${HASH_TABLE_BITS}`, ...(kind === 'liveness' ? ['-a'] : [])]
}

function violationOf(output: string): string | undefined {
  const errors = /errors: (\d+)/.exec(output)?.[1]
  if (errors === '0') return undefined
  const asserted = /assertion violated (\S+)/.exec(output)?.[1]
  if (asserted !== undefined) return asserted
  const formula = /never claim\s+\+ \((\S+)\)/.exec(output)?.[1]
  if (output.includes('acceptance cycle (') && formula !== undefined) return formula
  throw new Error(`spin's checker did not end as expected:\n${output}`)
}

function assertComplete(output: string, { kind }: SearchOptions): void {
  const searched = kind === 'liveness' ? /acceptance\s+cycles\s+\+/ : /invalid end states\s+\+/
  const isComplete =
    output.includes('Full statespace search') &&
    searched.test(output) &&
    /assertion violations\s+\+/.test(output) &&
    !/not completed|too small|out of memory|reached -DMEMLIM/i.test(output)
  if (!isComplete) throw new Error(`the search was not complete:\n${output}`)
}

function unreachedOf(output: string): Map<string, string[]> {
  const unreached = new Map<string, string[]>()
  let statements: string[] = []
  for (const line of output.split('\n')) {
    const heading = /^unreached in (?:proctype |claim )?(\S+)$/.exec(line)?.[1]
    if (heading !== undefined) {
      statements = []
      unreached.set(heading, statements)
    }
    const statement = /^\t\S+:\d+, state \d+, "(.*)"$/.exec(line)?.[1]
    if (statement !== undefined && statement !== '-end-') statements.push(statement)
  }
  return unreached
}

function replayOf(options: SearchOptions): string {
  const flags = flagsOf(options).join(' ')
  const build = `gcc ${compilerFlags(options.kind).join(' ')} -o pan pan.c`
  const run = `./pan ${checkerFlags(options.kind).join(' ')}`
  const show = `spin -k ${basename(MODEL)}.trail -p -g ${flags} ${MODEL}`
  return `cd "$(mktemp -d)" && spin -o3 ${flags} -a ${MODEL} && ${build} && ${run}; ${show}`
}
