/**
 * The processes of a transaction on an application's own connections: the application, the daemon, PostgreSQL and MariaDB; how
 * they die of a crash point and come back, and what the databases then say. One worker: at most one transaction is under way.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsumerRecord, readRows } from '../early-pledge/record.ts'
import { disagreements, heldBranches } from '../real-databases/disagreements.ts'
import { DatabaseFleet } from '../real-databases/fleet.ts'
import { PARTICIPANTS, seedOf } from '../real-databases/work.ts'
import type { Dying, EarlyPledgeCase } from './early-pledge-aims.ts'

const APPLICATION = 'application 0'
const WITHIN_MS = 60_000
const POLL_MS = 5

/** What is seen when the dying are dead. */
export interface Scene {
  /** The transaction that was begun last. */
  readonly xid: string
  /** What is prepared in either server. */
  readonly held: readonly string[]
}

export class EarlyPledgeTheatre {
  readonly fleet: DatabaseFleet
  readonly #progress: { readonly moved: number }

  private constructor(fleet: DatabaseFleet, progress: { readonly moved: number }) {
    this.fleet = fleet
    this.#progress = progress
  }

  /** The databases and the daemon; no application yet. */
  static async open(directory: string): Promise<EarlyPledgeTheatre> {
    process.env['NODE_COMPILE_CACHE'] ??= join(directory, 'compile-cache')
    const progress = { moved: 0 }
    const fleet = await DatabaseFleet.create({
      directory,
      application: join(import.meta.dirname, '../early-pledge/consumer.ts'),
      onMessage: () => {
        progress.moved += 1
      },
    })
    for (const name of PARTICIPANTS) await fleet.databases[name].query(seedOf(1))
    await fleet.start('inside')
    return new EarlyPledgeTheatre(fleet, progress)
  }

  /** The stream of transactions begins, or begins again. */
  async begin(): Promise<void> {
    if (!this.fleet.isRunning(APPLICATION)) this.fleet.startApplication(0, 1)
    await this.#untilMoved(2)
  }

  /** Resolves when the point was passed, and those who die of it are dead. */
  async dieAt({ point, dying }: EarlyPledgeCase): Promise<Scene> {
    const daemon = this.fleet.process('daemon')
    const application = this.fleet.process(APPLICATION)
    const passer = point.startsWith('application.') ? application : daemon
    // Else the daemon would have ended what it leaves behind by the time that it is killed, too.
    if (passer === application && dying === 'everybody') {
      application.send({ type: 'signal', signal: 'SIGKILL', first: daemon.pid })
    }
    await passer.arm(point, { after: dying === 'everybody' ? 2 : 1 })
    // A session is closed by the end of its application, here in the middle of a transaction.
    if (point === 'coordinator.session.closed') await this.#loseSessions(dying)
    await this.#until(`dead of ${point}`, () => !passer.running)
    if (dying === 'everybody') {
      await Promise.all(['daemon', APPLICATION].map((name) => this.fleet.kill(name)))
    }
    const scene = { xid: this.record.latestXid ?? '', held: await heldBranches(this.fleet.databases) }
    if (dying === 'everybody') {
      await Promise.all(PARTICIPANTS.map((name) => this.fleet.databases[name].server.kill()))
    }
    return scene
  }

  /** So many as it takes until the daemon dies of one. */
  async #loseSessions(dying: Dying): Promise<void> {
    const times = dying === 'everybody' ? 2 : 1
    for (let time = 1; time <= times; time += 1) {
      const application = this.fleet.process(APPLICATION)
      await application.arm('application.prepare.after', { after: 1 })
      await this.#until('dead: the application', () => !application.running)
      if (time === times) return
      this.fleet.startApplication(0, 1)
      await this.#untilMoved(1)
    }
  }

  async comeBack(): Promise<void> {
    const down = PARTICIPANTS.map((name) => this.fleet.databases[name].server).filter(
      ({ running }) => !running,
    )
    await Promise.all(down.map((server) => server.start()))
    if (!this.fleet.isRunning('daemon')) this.fleet.startDaemon()
    await this.begin()
  }

  /** The stream goes on, and ends in good order; then nothing is prepared any more. */
  async settle(): Promise<void> {
    const application = this.fleet.process(APPLICATION)
    application.send({ type: 'stop' })
    const { code, signal } = await application.exited
    if (code !== 0) throw new Error(`the application ended with ${code ?? signal}: ${application.lastWords}`)
    await this.#until('without pledges', async () => (await heldBranches(this.fleet.databases)).length === 0)
  }

  get record(): ConsumerRecord {
    return new ConsumerRecord([this.fleet.journalOf(0)])
  }

  /** What the databases disagree on, with each other or with what was told. */
  async disagreements(): Promise<readonly string[]> {
    const broken = this.record.brokenPromises(await readRows(this.fleet.databases))
    return [...(await disagreements(this.fleet.databases, 1)), ...broken]
  }

  #untilMoved(count: number): Promise<void> {
    const goal = this.#progress.moved + count
    return this.#until(`${count} transactions further`, () => this.#progress.moved >= goal)
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + WITHIN_MS
    while (!(await holds())) {
      if (performance.now() > deadlineMs) throw new Error(`not ${what} within ${WITHIN_MS} ms`)
      await sleep(POLL_MS)
    }
  }
}
