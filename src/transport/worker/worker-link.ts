/** One worker thread and the link to the participant in it, from the thread's start to its end. */
import type { Worker } from 'node:worker_threads'
import { messageOf } from '../../base/errors.ts'
import type { Timers } from '../../base/ports.ts'
import type { CoordinatorMessage, ParticipantIdentity } from '../../protocol/messages.ts'
import type { CoordinatorPortMessage, ParticipantPortMessage } from '../../protocol/port-messages.ts'
import type { Link, LinkListener, Welcome } from '../link.ts'

export interface WorkerThreadOptions {
  readonly name: string
  readonly worker: Worker
  readonly timers: Timers
  readonly closeTimeoutMs: number
  readonly listener: LinkListener
  readonly failed: (reason: string) => void
}

export class WorkerThread {
  /** Resolves when the thread has ended: only then is what it held (files, locks) free again. */
  readonly ended: Promise<void>
  readonly #options: WorkerThreadOptions
  #phase: 'starting' | 'open' | 'over' = 'starting'
  #link: WorkerLink | undefined

  constructor(options: WorkerThreadOptions) {
    this.#options = options
    const { worker } = options
    const ended = Promise.withResolvers<void>()
    this.ended = ended.promise
    worker.on('message', (message: ParticipantPortMessage) => this.#received(message))
    const thread = `the worker thread of participant "${options.name}"`
    worker.on('messageerror', (error) =>
      this.#lost(`${thread} sent something unreadable: ${messageOf(error)}`),
    )
    worker.on('error', (error) => this.#lost(`${thread} failed: ${messageOf(error)}`))
    worker.on('exit', (code) => {
      ended.resolve()
      this.#lost(`${thread} ended with code ${code}`)
    })
  }

  /** Asks the thread to put its participant away, and ends it when that takes too long. */
  async close(reason: string): Promise<void> {
    this.#phase = 'over'
    const { worker, timers, closeTimeoutMs } = this.#options
    post(worker, { type: 'close', reason })
    const cancel = timers.after(closeTimeoutMs, () => void worker.terminate())
    await this.ended
    cancel()
  }

  #received(message: ParticipantPortMessage): void {
    if (this.#phase === 'over') return
    switch (message.type) {
      case 'hello':
        this.#introduced(message.identity)
        return
      case 'failed':
        this.#lost(message.reason)
        return
      case 'batch':
        if (this.#link !== undefined) this.#options.listener.received(this.#link, message.messages)
        return
      default:
        message satisfies never
    }
  }

  #introduced(identity: ParticipantIdentity): void {
    if (this.#phase !== 'starting') return
    this.#phase = 'open'
    const { worker, timers, listener } = this.#options
    this.#link = new WorkerLink({ worker, timers, identity, close: (reason) => this.close(reason) })
    listener.opened(this.#link)
  }

  #lost(reason: string): void {
    if (this.#phase === 'over') return
    void this.close(reason)
    const link = this.#link
    if (link === undefined) {
      this.#options.failed(reason)
      return
    }
    link.drop()
    this.#options.listener.closed(link, reason)
  }
}

interface WorkerLinkOptions {
  readonly worker: Worker
  readonly timers: Timers
  readonly identity: ParticipantIdentity
  readonly close: (reason: string) => Promise<void>
}

class WorkerLink implements Link {
  readonly #options: WorkerLinkOptions
  #outbox: CoordinatorMessage[] = []
  #closed = false

  constructor(options: WorkerLinkOptions) {
    this.#options = options
  }

  get identity(): ParticipantIdentity {
    return this.#options.identity
  }

  welcome(welcome: Welcome): void {
    if (this.#closed) return
    const { logId, epoch, workBytesMax } = welcome
    post(this.#options.worker, { type: 'welcome', welcome: { logId, epoch, workBytesMax } })
  }

  send(messages: readonly CoordinatorMessage[]): void {
    if (this.#closed || messages.length === 0) return
    if (this.#outbox.length === 0) this.#options.timers.soon(() => this.#flush())
    for (const message of messages) this.#outbox.push(cloneable(message))
  }

  close(reason: string): void {
    if (this.#closed) return
    this.drop()
    void this.#options.close(reason)
  }

  drop(): void {
    this.#closed = true
    this.#outbox = []
  }

  #flush(): void {
    const messages = this.#outbox
    this.#outbox = []
    if (messages.length > 0) post(this.#options.worker, { type: 'batch', messages })
  }
}

/**
 * A structured clone takes the whole buffer that a view lies in. Work is mostly a small view into a message of
 * megabytes, so it is cut out first.
 */
function cloneable(message: CoordinatorMessage): CoordinatorMessage {
  if (message.type !== 'prepare' || message.work.byteLength === message.work.buffer.byteLength) return message
  return { ...message, work: new Uint8Array(message.work) }
}

/** To a thread that has ended it goes nowhere. */
function post(worker: Worker, message: CoordinatorPortMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  worker.postMessage(message)
}
