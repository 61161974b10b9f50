/** The log's thread: takes all appends that wait, writes them with one sync, answers; the rest comes in between. */

import type { MessagePort } from 'node:worker_threads'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { present, unreachable } from '../../base/assert.ts'
import { PledgedError } from '../../base/errors.ts'
import { systemClock, systemRandom } from '../../base/ports.ts'
import { checkRecords } from './background-check.ts'
import type { Engine } from './engine.ts'
import { damageIn, writeFailure } from './failures.ts'
import { logFiles } from './files.ts'
import type { Answer, FromWorker, Question, ToWorker, WorkerSettings } from './messages.ts'
import { sendable } from './messages.ts'
import { openEngine } from './opening.ts'
import { expired, findRequests, findTransaction, listEnded } from './reader.ts'

/** Work that is done a slice at a time, between messages. */
interface Job {
  readonly id?: number | undefined
  readonly steps: Iterator<void, Answer>
}

class LogWorker {
  readonly #port: MessagePort
  readonly #settings: WorkerSettings
  readonly #engine: Engine
  #failure: PledgedError | undefined
  #isDamaged = false
  #ended = false
  #jobs: Job[] = []
  #purging = false
  #turnAsked = false
  #batches = 0

  constructor(port: MessagePort, settings: WorkerSettings, engine: Engine) {
    this.#port = port
    this.#settings = settings
    this.#engine = engine
  }

  listen(): void {
    this.#start({ steps: this.#check() })
    this.#port.on('message', (message: ToWorker) => this.#receive(message))
    // Also when an exception ends this thread: SQLite must not remove a WAL that the next opening looks for.
    process.on('exit', () => this.#end(() => this.#engine.abandon()))
  }

  /** Appends that follow each other are one batch, up to its limit; everything else keeps its place among them. */
  #receive(first: ToWorker): void {
    let message: ToWorker | undefined = first
    while (message !== undefined) {
      if (message.kind === 'question') {
        this.#answer(message.id, message.question)
        message = this.#next()
      } else {
        message = this.#appendWithWaiting(message)
      }
    }
  }

  #appendWithWaiting(first: Extract<ToWorker, { kind: 'append' }>): ToWorker | undefined {
    const lines: string[] = []
    let calls = 0
    let message: ToWorker | undefined = first
    while (
      message?.kind === 'append' &&
      (calls === 0 || lines.length + message.count <= this.#settings.batchRecordsMax)
    ) {
      calls += 1
      if (message.count > 0) for (const line of message.lines.split('\n')) lines.push(line)
      message = this.#next()
    }
    this.#append(lines, calls)
    return message
  }

  #append(lines: readonly string[], calls: number): void {
    const failure = this.#write(() => this.#engine.append(lines), lines.length === 0)
    if (failure === undefined && lines.length > 0) this.#batches += 1
    // eslint-disable-next-line unicorn/no-process-exit -- a fault of the tests: a thread that dies unanswered
    if (this.#batches === this.#settings.faults?.batchesBeforeDeath) process.exit(1)
    this.#send({ kind: 'appended', calls, failure: failure && sendable(failure) })
    if (failure === undefined) this.#write(() => this.#engine.checkpointIfDue())
  }

  /** R6: the first failure is the last write. */
  #write(work: () => void, isEmpty = false): PledgedError | undefined {
    if (this.#failure !== undefined || isEmpty) return this.#failure
    try {
      work()
    } catch (error) {
      this.#poison(error)
    }
    return this.#failure
  }

  #poison(error: unknown): void {
    const damage = damageIn(error, this.#engine.files)
    if (damage !== undefined && !this.#isDamaged) this.#send({ kind: 'damage', failure: sendable(damage) })
    this.#isDamaged ||= damage !== undefined
    this.#failure ??= writeFailure(error, this.#engine.files)
  }

  #answer(id: number, question: Question): void {
    const engine = this.#engine
    switch (question.ask) {
      case 'transaction':
        return this.#start({ id, steps: once(() => findTransaction(engine, question.xid)) })
      case 'requests':
        return this.#start({ id, steps: findRequests(engine, question.names) })
      case 'ended':
        return this.#start({ id, steps: listEnded(engine, question.query) })
      case 'expired':
        return this.#start({ id, steps: expired(engine, question.endedBeforeMs) })
      case 'forget':
        return this.#forget(id, question)
      case 'close':
        return this.#close(id)
      default:
        return unreachable(question)
    }
  }

  #forget(id: number, { through }: Extract<Question, { ask: 'forget' }>): void {
    const failure = this.#write(() => void this.#engine.forget(through))
    if (failure !== undefined) return this.#send({ kind: 'question_failed', id, failure: sendable(failure) })
    this.#send({ kind: 'answer', id, answer: undefined })
    if (!this.#purging) this.#start({ steps: this.#purge() })
  }

  *#purge(): Generator<void, undefined> {
    this.#purging = true
    let more = true
    while (more && this.#failure === undefined) {
      more = this.#engine.purgeSlice()
      yield
    }
    this.#purging = false
  }

  *#check(): Generator<void, undefined> {
    yield* checkRecords(this.#engine)
  }

  /** Questions are answered before; what the log does for itself is left for the next opening. */
  #close(id: number): void {
    for (const job of this.#jobs) while (job.id !== undefined && this.#step(job));
    this.#jobs = []
    const failure = this.#end(() =>
      this.#failure === undefined ? this.#engine.close() : this.#engine.abandon(),
    )
    if (failure === undefined) this.#send({ kind: 'answer', id, answer: undefined })
    else this.#send({ kind: 'question_failed', id, failure: sendable(failure) })
    this.#port.close()
  }

  #end(end: () => void): PledgedError | undefined {
    if (this.#ended) return undefined
    this.#ended = true
    try {
      end()
    } catch (error) {
      return writeFailure(error, this.#engine.files)
    } finally {
      const word = new Int32Array(this.#settings.closed)
      Atomics.store(word, 0, 1)
      Atomics.notify(word, 0)
    }
    return undefined
  }

  #start(job: Job): void {
    this.#jobs.push(job)
    this.#askForTurn()
  }

  #askForTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    setImmediate(() => {
      this.#turnAsked = false
      const job = this.#jobs.shift()
      if (job !== undefined && this.#step(job)) this.#jobs.push(job)
      if (this.#jobs.length > 0) this.#askForTurn()
    })
  }

  /** One slice. Answers whether there is more to do. */
  #step(job: Job): boolean {
    try {
      const step = job.steps.next()
      if (step.done !== true) return true
      if (job.id !== undefined) this.#send({ kind: 'answer', id: job.id, answer: step.value })
    } catch (error) {
      // A log that can't be read can't be trusted to be written either.
      this.#poison(error)
      const failure = damageIn(error, this.#engine.files) ?? writeFailure(error, this.#engine.files)
      if (job.id !== undefined)
        this.#send({ kind: 'question_failed', id: job.id, failure: sendable(failure) })
    }
    return false
  }

  #next(): ToWorker | undefined {
    if (this.#ended) return undefined
    return (receiveMessageOnPort(this.#port) as { message: ToWorker } | undefined)?.message
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message)
  }
}

/** A question that is answered in one step. */
function once(question: () => Answer): Iterator<void, Answer> {
  return { next: () => ({ done: true, value: question() }) }
}

function main(): void {
  const port = present(parentPort, 'the log runs in a worker thread')
  const settings = workerData as WorkerSettings
  const send = (message: FromWorker): void => port.postMessage(message)
  try {
    const { engine, opened } = openEngine(
      {
        files: logFiles(settings.directory),
        random: systemRandom,
        clock: systemClock,
        tuning: settings.tuning,
        faults: settings.faults,
      },
      (stage) => {
        if (settings.faults?.diesAtStage === stage) process.kill(process.pid, 'SIGKILL')
        send({ kind: 'stage', stage })
      },
    )
    new LogWorker(port, settings, engine).listen()
    send({ kind: 'opened', opened })
  } catch (error) {
    send({ kind: 'open_failed', failure: sendable(PledgedError.from(error)) })
  }
}

main()
