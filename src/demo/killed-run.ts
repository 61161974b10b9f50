/** The job under kill -9: each kill is aimed at a window, waits for the next, and everything ends in the proof. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PledgedError } from '../base/errors.ts'
import type { DemoRun } from './demo-run.ts'
import { Fleet, unexpectedEnd } from './fleet.ts'
import { offsetIn, siblingOf } from './input.ts'
import { killingAtInterrupt } from './interrupts.ts'
import type { Kill } from './kill-plan.ts'
import { planKills, WindowCounts } from './kill-plan.ts'
import type { Exit } from './managed-process.ts'
import { holds, type Proof, proofAsJson, proofAsText } from './proof.ts'
import type { Counts, Stores } from './stores.ts'
import { within } from './within.ts'

const LANDS_WITHIN_MS = 15_000
const BACK_WITHIN_MS = 60_000
const SETTLES_WITHIN_MS = 60_000

export async function runKilled(run: DemoRun, stores: Stores): Promise<number> {
  const { reporter, input } = run
  const progress = new Progress()
  const fleet = new Fleet({
    directory: run.directory,
    cliFile: run.cliFile,
    stores,
    processor: {
      file: siblingOf(import.meta.url, 'processor'),
      arguments: [input.file, String(run.batch), stores.kind],
    },
    onMessage: (message) => {
      const offset = offsetIn(message)
      if (offset === undefined) return
      progress.at(offset)
      reporter.progress(offset)
    },
  })
  const interrupts = killingAtInterrupt(() => fleet.killAll())
  try {
    await fleet.start()
    const count = input.events.length.toLocaleString('en-US')
    reporter.line(`${count} ${input.noun} -> ${stores.title}, one transaction per ${run.batch}`)
    const windows = await processInput(run, fleet, progress)
    await untilSettled(fleet)
    await fleet.stop()
    return report(run, { fleet, windows, counts: await stores.count() })
  } finally {
    interrupts.forget()
    fleet.killAll()
    await stores.stop()
    reporter.end()
  }
}

/** Runs the processor to the end of the input, killing on the way. */
async function processInput(run: DemoRun, fleet: Fleet, progress: Progress): Promise<WindowCounts> {
  const windows = new WindowCounts()
  const plan = planKills(run.kills, fleet.stores.kind)
  fleet.startParty('processor')
  for (const [index, kill] of plan.entries()) {
    const threshold = Math.floor((run.input.events.length * (index + 1)) / (plan.length + 2))
    if (!(await progressOrEnd(fleet, progress.reached(threshold)))) break
    await killOnce(run, fleet, progress, kill, windows)
  }
  await progressOrEnd(fleet, new Promise(() => {}))
  return windows
}

/** Waits for the progress; false when the processor came to its end before. */
async function progressOrEnd(fleet: Fleet, reached: Promise<void>): Promise<boolean> {
  const processor = fleet.process('processor')
  const others = (['daemon', 'sink', 'offsets'] as const).map((party) => fleet.process(party))
  const fell = Promise.race(
    others.map(async (other) => {
      throw unexpectedEnd(other, (await other.exited).code)
    }),
  )
  const ended = processor.exited.then((exit: Exit) => {
    if (exit.code !== 0) throw unexpectedEnd(processor, exit.code)
    return false
  })
  return Promise.race([reached.then(() => true), ended, fell])
}

async function killOnce(
  run: DemoRun,
  fleet: Fleet,
  progress: Progress,
  kill: Kill,
  windows: WindowCounts,
): Promise<void> {
  const landed = await fleet.killAt(kill, LANDS_WITHIN_MS)
  if (!landed) return
  const diedMs = performance.now()
  windows.add(kill.window)
  await fleet.restart(kill.victim)
  // The transaction that was under way may commit without the victim, which had voted: the one after it can't.
  const moved = progress.moved().then(() => progress.moved())
  const back = await within(progressOrEnd(fleet, moved), BACK_WITHIN_MS)
  if (!back) {
    throw new PledgedError(
      'INTERNAL',
      `nothing moved within ${BACK_WITHIN_MS / 1_000} s of the kill of ${kill.victim}`,
    )
  }
  run.reporter.killed(kill, performance.now() - diedMs)
}

async function untilSettled(fleet: Fleet): Promise<void> {
  const deadlineMs = performance.now() + SETTLES_WITHIN_MS
  while ((await fleet.inDoubt()) !== 0) {
    if (performance.now() > deadlineMs) {
      throw new PledgedError(
        'INTERNAL',
        `something is still in doubt ${SETTLES_WITHIN_MS / 1_000} s after the end`,
      )
    }
    await sleep(100)
  }
}

interface Ended {
  readonly fleet: Fleet
  readonly windows: WindowCounts
  readonly counts: Counts
}

function report(run: DemoRun, { fleet, windows, counts }: Ended): number {
  const { reporter, input, kills } = run
  const { held, ...counted } = counts
  const proof: Proof = { events: input.events.length, ...counted, inDoubt: held, kills, windows }
  const empty = windows.empty(kills)
  reporter.detail(`windows  ${windows.toString()}`)
  reporter.line(`proof    ${proofAsText(proof)}`)
  reporter.json(proofAsJson(proof))
  if (empty.length > 0) {
    reporter.line(`failed   no kill landed in ${empty.join(', ')}: give a longer input, or fewer --kills`)
  }
  reporter.detail(
    'limits   each event is in the sink once because its rows and the offset committed together; whoever reads both\n' +
      "         databases may see one commit a moment before the other, and the log's volume has to survive",
  )
  reporter.detail(
    `next     the files are in ${run.directory}; pledged is: node ${run.cliFile}\n` +
      `         pledged log verify ${fleet.logDirectory}\n` +
      `         pledged log dump ${fleet.logDirectory} | tail -3\n` +
      '         the same kills with two plain commits: pledged demo --naive',
  )
  return holds(proof) && empty.length === 0 ? 0 : 1
}

/** The offset that the processor reports, to wait for. */
class Progress {
  #offset = 0
  #waiting: { readonly past: number; readonly resolve: () => void }[] = []

  at(offset: number): void {
    this.#offset = Math.max(this.#offset, offset)
    const due = this.#waiting.filter(({ past }) => offset >= past)
    this.#waiting = this.#waiting.filter(({ past }) => offset < past)
    for (const { resolve } of due) resolve()
  }

  reached(threshold: number): Promise<void> {
    if (this.#offset >= threshold) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ past: threshold, resolve }))
  }

  /** Any report from now on that is further than the last. */
  moved(): Promise<void> {
    return this.reached(this.#offset + 1)
  }
}
