/**
 * Crash points armed by a test's environment. Without `PLEDGED_CRASH_POINT` they are `noCrashPoints`.
 *
 *   PLEDGED_CRASH_POINT=<name>[@N]   the process kills itself at the N-th pass of the point (the first, if not said)
 *   PLEDGED_CRASH_POINT=ipc          a parent process arms points while the process runs, over its IPC channel, and
 *                                    when that ends, the process does:
 *                                    { type: 'arm', point, after?: N, kill?: pid } is answered by
 *                                    { type: 'armed', point, after }, or { type: 'refused', reason };
 *                                    with `kill` it is the other process that dies, and { type: 'fired', point }
 *                                    is sent. One arming fires once; arming a point again replaces it.
 *
 * A process dies by SIGKILL: no handler runs, no buffer is flushed, as in a real crash.
 *
 * The points of an opening are armed by name only: it is over before a parent could ask.
 */
import { isMainThread } from 'node:worker_threads'
import { CRASH_POINTS, type CrashPoint, type CrashPoints, noCrashPoints } from '../base/crash-points.ts'
import { messageOf, PledgedError } from '../base/errors.ts'
import type { OpenStage } from '../log/log.ts'

/** As process.env. */
type Environment = Readonly<Record<string, string | undefined>>

const VARIABLE = 'PLEDGED_CRASH_POINT'

/** The parent's end of an IPC channel, as far as it is needed. */
export interface ParentChannel {
  send(message: unknown): void
  onMessage(listen: (message: unknown) => void): void
}

export interface CrashOptions {
  /** Ends a process as `kill -9` does. */
  readonly kill?: ((pid: number) => void) | undefined
  readonly parent?: ParentChannel | undefined
}

/** Throws CONFIGURATION where the variable names no crash point. */
export function armCrashPoints(env: Environment, options: CrashOptions = {}): CrashPoints {
  const value = env[VARIABLE]
  if (value === undefined || value === '') return noCrashPoints
  const armed = new ArmedCrashPoints(options.kill ?? killHard)
  if (value !== 'ipc') {
    armed.arm(parseArming(value))
    return armed
  }
  const parent = options.parent ?? processParent()
  if (parent !== undefined) {
    armed.listenTo(parent)
    return armed
  }
  // A worker thread inherits the variable of its process, which listens for both.
  if (!isMainThread) return noCrashPoints
  throw new PledgedError('CONFIGURATION', `${VARIABLE} is "ipc", and no parent process holds an IPC channel`)
}

/** Those of a participant in a worker thread: only its own points, so that each pass is counted in one place. */
export function armParticipantCrashPoints(env: Environment): CrashPoints {
  return env[VARIABLE]?.startsWith('participant.') === true ? armCrashPoints(env) : noCrashPoints
}

/** The stage of the log's opening at which its thread is to end the process; each has one pass. */
export function armOpeningCrashPoint(env: Environment): OpenStage | undefined {
  const value = env[VARIABLE]
  if (value === undefined || value === '' || value === 'ipc') return undefined
  const { point, after } = parseArming(value)
  return after === 1 ? OPENING_POINTS[point] : undefined
}

/** By the stage that comes after each. */
const OPENING_POINTS: Readonly<Partial<Record<CrashPoint, OpenStage>>> = {
  'coordinator.opening.fenced': 'checkpoint',
  'coordinator.opening.checked': 'replay',
}

interface Arming {
  readonly point: CrashPoint
  /** Fires at this pass, counted from the arming. */
  readonly after: number
  /** Another process that dies in this one's place. */
  readonly kill?: number | undefined
}

class ArmedCrashPoints implements CrashPoints {
  readonly #kill: (pid: number) => void
  readonly #armings = new Map<CrashPoint, Arming & { passes: number }>()
  #parent: ParentChannel | undefined

  constructor(kill: (pid: number) => void) {
    this.#kill = kill
  }

  arm(arming: Arming): void {
    this.#armings.set(arming.point, { ...arming, passes: 0 })
  }

  listenTo(parent: ParentChannel): void {
    this.#parent = parent
    parent.onMessage((message) => {
      if (typeof message !== 'object' || message === null || !('type' in message)) return
      if (message.type !== 'arm') return
      try {
        const arming = readArming(message)
        this.arm(arming)
        parent.send({ type: 'armed', point: arming.point, after: arming.after })
      } catch (error) {
        parent.send({ type: 'refused', reason: messageOf(error) })
      }
    })
  }

  pass(point: CrashPoint): void {
    const arming = this.#armings.get(point)
    if (arming === undefined) return
    arming.passes += 1
    if (arming.passes < arming.after) return
    this.#armings.delete(point)
    if (arming.kill === undefined) {
      this.#kill(process.pid)
      return
    }
    this.#kill(arming.kill)
    this.#parent?.send({ type: 'fired', point })
  }
}

function parseArming(value: string): Arming {
  const [name = '', count, ...rest] = value.split('@')
  if (rest.length > 0 || (count !== undefined && !/^[1-9]\d{0,8}$/.test(count))) {
    throw new PledgedError(
      'CONFIGURATION',
      `${VARIABLE} is ${JSON.stringify(value)}: expected NAME or NAME@COUNT`,
    )
  }
  return { point: crashPoint(name), after: count === undefined ? 1 : Number(count) }
}

function readArming(message: object): Arming {
  const { point, after = 1, kill } = message as { point?: unknown; after?: unknown; kill?: unknown }
  if (!isCount(after))
    throw new PledgedError('CONFIGURATION', `after is ${JSON.stringify(after)}: the first pass is 1`)
  if (kill !== undefined && !isCount(kill)) {
    throw new PledgedError('CONFIGURATION', `kill is ${JSON.stringify(kill)}: expected a process id`)
  }
  return { point: crashPoint(point), after, kill }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function crashPoint(name: unknown): CrashPoint {
  if (typeof name === 'string' && Object.hasOwn(CRASH_POINTS, name)) return name as CrashPoint
  throw new PledgedError(
    'CONFIGURATION',
    `${JSON.stringify(name)} is no crash point; there are: ${Object.keys(CRASH_POINTS).join(', ')}`,
  )
}

function killHard(pid: number): void {
  process.kill(pid, 'SIGKILL')
}

function processParent(): ParentChannel | undefined {
  if (!isMainThread || process.send === undefined) return undefined
  return {
    send: (message) => process.send?.(message, undefined, undefined, ignoreFailure),
    onMessage: (listen) => {
      process.on('message', listen)
      // Whoever armed it has gone, and would have ended it: nobody else will.
      process.once('disconnect', () => killHard(process.pid))
      // A parent that listens is no reason for the process to stay.
      process.channel?.unref()
    },
  }
}

/** A parent that has gone wants no answer; without a callback the failure would be an error event. */
function ignoreFailure(): void {}
