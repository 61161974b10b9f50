/** One run: every case in its order, each leaving nothing to the next, and a report. */
import { messageOf, PledgedError } from '../../base/errors.ts'
import { drawEpoch, drawLogId, isParticipantName } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import { systemRandom } from '../../base/ports.ts'
import { Access, type AccessOptions } from '../../dialling/index.ts'
import { Bench } from './bench.ts'
import { Caller } from './caller.ts'
import { type ConformanceCase, conformanceCases, type Need } from './cases/index.ts'
import { Gone, NotApplicable, Violation } from './finding.ts'
import { retryUntil } from './patience.ts'
import { type CaseResult, type ConformanceReport, countOf, orderToFix } from './report.ts'
import { Works, type WorkTemplates } from './works.ts'

export interface ConformanceOptions {
  /** HOST:PORT, or unix:PATH. */
  readonly address: string
  /** What the participant is shown, and by what it is known: nothing, and in plain text, unless it is given. */
  readonly access?: AccessOptions | undefined
  readonly works?: WorkTemplates | undefined
  /** The name of the branch, for a participant that insists on one. Default: conformance. */
  readonly branch?: string | undefined
  /** Kills the participant with SIGKILL and starts it again at the same address. Without it nothing is killed. */
  readonly restart?: (() => Promise<void>) | undefined
  /** For each answer, and for the participant's return after a restart. */
  readonly timeoutMs?: number | undefined
  /** How often the cases that race repeat themselves. */
  readonly rounds?: number | undefined
  /** The names of the cases to run. Those that others rest on (describe, older-epoch) run in any case. */
  readonly only?: readonly string[] | undefined
  /** As each case ends. */
  readonly onCase?: ((result: CaseResult) => void) | undefined
  /** Ends the run after the case that is running; what it left prepared is aborted. */
  readonly signal?: AbortSignal | undefined
}

const ROUNDS = 40
const FORGET_BATCH = 500
/** Somebody types the address, and may have it wrong: a moment for a participant that is just starting, no more. */
const FIRST_CONTACT_MS = 2_000

/**
 * Throws UNAVAILABLE where nothing answers, INVALID_REQUEST where the branch is no participant's name, CONFIGURATION where a file
 * of its access can't be used, UNAUTHENTICATED where the participant doesn't take it.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const { address, branch = 'conformance', timeoutMs = defaultLimits.prepareTimeoutMs } = options
  if (!isParticipantName(branch)) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `the branch ${JSON.stringify(branch)} is not a participant's name`,
    )
  }
  const logId = drawLogId(systemRandom)
  const epoch = drawEpoch(1, systemRandom)
  const access = new Access(address, options.access ?? {})
  const caller = new Caller({ address, access, timeoutMs, speaker: { logId, epoch } })
  try {
    await caller.connected(Math.min(timeoutMs, FIRST_CONTACT_MS))
    await caller.requireAdmitted()
    const bench = new Bench({
      caller,
      works: new Works(options.works ?? {}, systemRandom),
      logId,
      epoch,
      branch,
      timeoutMs,
      rounds: options.rounds ?? ROUNDS,
      restart: options.restart,
    })
    const cases = await runCases(bench, options)
    const left = await cleanUp(bench)
    return reportOf({ address, branch, logId, epoch, bench, cases, left })
  } finally {
    caller.close()
  }
}

/** The others rest on what these find. */
const ALWAYS: readonly string[] = ['describe', 'older-epoch']

async function runCases(
  bench: Bench,
  { onCase, signal, only }: ConformanceOptions,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = []
  let goneSince: string | undefined
  for (const [index, one] of conformanceCases.entries()) {
    const isWanted = only === undefined || only.includes(one.name) || ALWAYS.includes(one.name)
    const notRun = signal?.aborted === true ? 'the run was ended' : isWanted ? undefined : 'not asked for'
    const obstacle = goneSince ?? notRun
    const ended = obstacle === undefined ? await runCase(bench, one) : skipped(obstacle)
    const { name, weight, rule, why } = one
    const result: CaseResult = { number: index + 1, name, weight, rule, why, ...ended }
    results.push(result)
    onCase?.(result)
    if (result.result === 'failed' && !(await revived(bench))) {
      goneSince = `the participant did not come back after ${name}`
    }
  }
  return results
}

type Ended = Pick<CaseResult, 'result' | 'seen' | 'advice'>

async function runCase(bench: Bench, one: ConformanceCase): Promise<Ended> {
  const missing = one.needs?.map((need) => lackOf(bench, need)).find((lack) => lack !== undefined)
  if (missing !== undefined) return skipped(missing)
  bench.takeRemarks()
  try {
    const seen = await one.run(bench)
    const remarks = [...new Set(bench.takeRemarks())]
    if (remarks.length === 0) return { result: 'passed', seen, advice: '' }
    return { result: 'warning', seen: remarks.join('; '), advice: one.advice }
  } catch (error) {
    return failureOf(error, one)
  } finally {
    await bench.settle()
  }
}

function failureOf(error: unknown, { advice }: ConformanceCase): Ended {
  if (error instanceof NotApplicable) return skipped(error.message)
  if (error instanceof Violation) {
    return { result: 'failed', seen: error.message, advice: error.advice ?? advice }
  }
  if (error instanceof Gone) {
    return {
      result: 'failed',
      seen: error.message,
      advice: 'Find out why the participant stopped answering.',
    }
  }
  return {
    result: 'failed',
    seen: `the case could not be run: ${messageOf(error)}`,
    advice: 'Let the restart command end well, with the participant serving at the same address.',
  }
}

function skipped(seen: string): Ended {
  return { result: 'skipped', seen, advice: '' }
}

/** Why the case can't run, in words; undefined where it can. */
function lackOf(bench: Bench, need: Need): string | undefined {
  switch (need) {
    case 'evidence':
      return bench.keepsWitnesses ? undefined : 'it keeps no witnesses'
    case 'one_phase':
      return bench.facts?.onePhase === true ? undefined : "it doesn't commit in one phase"
    case 'restart':
      return bench.restart === undefined ? 'no restart command was given' : undefined
    case 'conflicting':
      return bench.works.hasConflicting ? undefined : 'no two conflicting works were given'
    case 'refused':
      return bench.works.refused.length > 0 ? undefined : 'no work was given that has to be refused'
    case 'epochs':
      return bench.keepsEpochs ? undefined : "it doesn't keep epochs"
    default:
      return need satisfies never
  }
}

/** Whether the participant serves: still, after a restart, or by itself where there is nobody to restart it. */
async function revived(bench: Bench): Promise<boolean> {
  if (await bench.isThere()) return true
  try {
    await bench.restart?.()
    await bench.caller.reconnect()
    return await bench.isThere()
  } catch {
    return false
  }
}

/** What is left after all: tried until it has ended, or the time of one call is over. */
async function cleanUp(bench: Bench): Promise<readonly string[]> {
  const own = new Set(bench.xids)
  const left = await retryUntil(
    async () => {
      const unsettled = await bench.settle()
      const listed = await heldAmong(bench, own)
      await Promise.all(listed.map((xid) => bench.tryEnd('abort', xid)))
      return [...new Set([...unsettled.filter((xid) => own.has(xid) && listed.includes(xid)), ...listed])]
    },
    (xids) => xids.length === 0,
    bench.timeoutMs,
  )
  await forgetAll(bench, [...own])
  return left
}

async function heldAmong(bench: Bench, own: ReadonlySet<string>): Promise<readonly string[]> {
  try {
    return [...(await bench.held())].filter((xid) => own.has(xid))
  } catch {
    return []
  }
}

async function forgetAll(bench: Bench, xids: readonly string[]): Promise<void> {
  if (!bench.keepsWitnesses) return
  try {
    for (let from = 0; from < xids.length; from += FORGET_BATCH) {
      await bench.forget(xids.slice(from, from + FORGET_BATCH))
    }
  } catch {
    // The report has said what forgetting is worth here; witnesses that stay do no harm.
  }
}

function reportOf(run: {
  readonly address: string
  readonly branch: string
  readonly logId: string
  readonly epoch: string
  readonly bench: Bench
  readonly cases: readonly CaseResult[]
  readonly left: readonly string[]
}): ConformanceReport {
  const { address, branch, logId, epoch, bench, cases, left } = run
  return {
    address,
    branch,
    logId,
    epoch,
    participant: bench.facts,
    passed: countOf(cases, 'passed'),
    warnings: countOf(cases, 'warning'),
    failed: countOf(cases, 'failed'),
    skipped: countOf(cases, 'skipped'),
    cases,
    toFix: orderToFix(cases),
    left,
  }
}
