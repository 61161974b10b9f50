/** The processes of the crash-point tests, how they die of a point and come back, and what their files then say. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '../../src/base/assert.ts'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import { FileStores } from '../../src/demo/file-stores.ts'
import { ManagedProcess } from '../../src/demo/managed-process.ts'
import { AttachedFleet } from '../harness/attached-fleet.ts'
import { disagreements } from '../harness/databases.ts'
import { CLI_FILE } from '../harness/pledged.ts'
import { type Case, type Order, passerOf } from './aims.ts'
import { Silent } from './silent.ts'

const SERVED = ['sink', 'offsets'] as const
const PARTIES = ['daemon', ...SERVED] as const
type Participant = (typeof SERVED)[number]
type Passing = (typeof PARTIES)[number] | 'application'

const WITHIN_MS = 60_000
const POLL_MS = 10

/** Rows that only stand while a branch is prepared. */
const PLEDGE_ROWS = {
  sink: ['pledged_in_doubt'],
  offsets: ['pledged_in_doubt', 'pledged_lock'],
} as const

export class Theatre {
  readonly fleet: AttachedFleet<Participant>
  readonly journal: string
  readonly #stores: FileStores
  readonly #silent: Silent
  #stream: ManagedProcess | undefined
  #ended = 0
  #holding = false

  constructor(directory: string) {
    this.fleet = new AttachedFleet({
      directory,
      cliFile: CLI_FILE,
      served: { sink: 'sqlite', offsets: 'offsets' },
    })
    this.journal = join(directory, 'journal.jsonl')
    this.#stores = new FileStores(directory)
    this.#silent = new Silent(this.fleet.address)
  }

  async open(): Promise<void> {
    await this.#stores.start()
    await this.#fillCompileCache()
    for (const party of PARTIES) this.fleet.start(party)
    await this.fleet.untilUp(SERVED)
    this.#startStream()
    await this.untilEnded(2)
  }

  /** Resolves with what was prepared, by xid, when everybody but the application is dead of it. */
  async dieAt({ point, order, aim }: Case): Promise<readonly string[]> {
    const passer = this.#passerAt(point, order)
    const after = order === 'daemon first' ? 1 : 2
    if (aim.requests === 'stuck') await this.#dieResolving(point)
    else {
      this.#go(aim.requests === 'sound' ? 'sound' : passer === 'sink' ? 'offsets' : 'sink')
      await this.untilEnded(1)
      if (aim.before === undefined) await this.#diesOf(this.#processOf(passer), point, after)
      else await this.#dieRecovering(passer, point, aim.before)
    }
    await this.fleet.kill(PARTIES)
    return this.heldXids()
  }

  /** In this order, each only when the one before it is there: serving, or trying to attach. */
  async comeBack(order: Order): Promise<void> {
    const participants = async (): Promise<void> => {
      for (const name of SERVED) this.fleet.start(name)
      if (order === 'participants first') await this.#untilSaid(SERVED, 'could not attach')
    }
    if (order === 'participants first') await participants()
    this.fleet.start('daemon')
    await this.#untilSaid(['daemon'], '"started"')
    if (order === 'daemon first') await participants()
    if (!this.#application().running) this.#startStream()
  }

  /** The stream goes on, then stops, and everything that was begun has ended. */
  async settle(): Promise<void> {
    this.#go('sound')
    await this.untilEnded(2)
    this.#holding = false
    this.#application().send({ type: 'hold' })
    await this.#until('holding', () => this.#holding)
    await this.#until('without pledges', () => this.leftovers().length === 0)
  }

  /** What the databases disagree on, or still hold. */
  disagreements(): readonly string[] {
    return [...disagreements(this.#stores, 1), ...this.leftovers()]
  }

  leftovers(): readonly string[] {
    return SERVED.flatMap((name) =>
      PLEDGE_ROWS[name].flatMap((table) =>
        this.#column(name, `SELECT xid FROM ${table}`).map((xid) => `${name}: ${xid} is still in ${table}`),
      ),
    )
  }

  heldXids(): readonly string[] {
    return [...new Set(SERVED.flatMap((name) => this.#held(name)))].toSorted()
  }

  rows(): number {
    return this.#column('sink', 'SELECT event FROM events').length
  }

  witnesses(): Record<Participant, number> {
    const count = (name: Participant): number => this.#column(name, 'SELECT xid FROM pledged_witness').length
    return { sink: count('sink'), offsets: count('offsets') }
  }

  async untilEnded(count: number): Promise<void> {
    const goal = this.#ended + count
    await this.#until(`${count} transactions further`, () => this.#ended >= goal)
  }

  async close(): Promise<void> {
    this.#application().kill('SIGKILL')
    await this.#silent.close()
    await this.fleet.stop()
  }

  killAll(): void {
    this.#stream?.kill('SIGKILL')
    this.fleet.killAll()
  }

  /** A process that is killed never writes one, and hundreds are started here: this halves what their starts cost. */
  async #fillCompileCache(): Promise<void> {
    process.env['NODE_COMPILE_CACHE'] ??= join(this.fleet.directory, 'compile-cache')
    for (const party of PARTIES) this.fleet.start(party)
    await this.fleet.untilUp(SERVED)
    await this.fleet.stop()
  }

  /** An operator commits what nobody had decided, and the daemon dies of it. */
  async #dieResolving(point: CrashPoint): Promise<void> {
    await this.#until('attached: silent', () => this.#silent.attached)
    this.#silent.silence()
    this.#go('stuck')
    await this.#until('asked: silent', () => this.#silent.asked !== undefined)
    const xid = present(this.#silent.asked, 'it was asked')
    await this.#until(`prepared: ${xid}`, () => SERVED.every((name) => this.#held(name).includes(xid)))
    const daemon = this.fleet.process('daemon')
    await daemon.arm(point, { after: 1 })
    const why = ['--commit', '--reason', 'its third branch does not vote', '--confirm', xid]
    const resolved = this.fleet.run('tx', 'resolve', xid, ...why, '--address', this.fleet.address)
    await this.#dead(daemon, point)
    const { code, said } = await resolved
    if (code === 0) throw new Error(`the operator was answered by a daemon that had died: ${said}`)
  }

  async #dieRecovering(passer: Passing, point: CrashPoint, before: CrashPoint): Promise<void> {
    await this.#diesOf(this.fleet.process('daemon'), before, 1)
    await this.fleet.kill(PARTIES)
    for (const party of neededAt(point)) {
      this.fleet.start(party, { dyingAt: party === passer ? point : undefined })
    }
    await this.#dead(this.#processOf(passer), point)
  }

  /** Of two participants that pass a point, each dies of it once. */
  #passerAt(point: CrashPoint, order: Order): Passing {
    switch (passerOf(point)) {
      case 'coordinator':
        return 'daemon'
      case 'participant':
        return order === 'daemon first' ? 'sink' : 'offsets'
      case 'application':
        return 'application'
    }
  }

  #processOf(passer: Passing): ManagedProcess {
    return passer === 'application' ? this.#application() : this.fleet.process(passer)
  }

  async #diesOf(dying: ManagedProcess, point: CrashPoint, after: number): Promise<void> {
    await dying.arm(point, { after })
    await this.#dead(dying, point)
  }

  async #dead(dying: ManagedProcess, point: CrashPoint): Promise<void> {
    await this.#until(`dead of ${point}`, () => !dying.running)
    await this.#throwIfFallen()
  }

  #startStream(): void {
    this.#stream = new ManagedProcess({
      name: 'application',
      arguments: [
        join(import.meta.dirname, 'stream.ts'),
        this.fleet.address,
        this.#stores.offsetsFile,
        this.journal,
      ],
      onMessage: (message) => {
        const { type } = message as { readonly type?: unknown }
        if (type === 'ended') this.#ended += 1
        if (type === 'holding') this.#holding = true
      },
    })
  }

  #go(requests: 'sound' | 'stuck' | Participant): void {
    this.#application().send({ type: 'go', requests })
  }

  #application(): ManagedProcess {
    return present(this.#stream, 'the application was started')
  }

  #untilSaid(parties: readonly (typeof PARTIES)[number][], words: string): Promise<void> {
    const processes = parties.map((party) => this.fleet.process(party))
    return this.#until(`said: ${words}`, () => processes.every(({ lastWords }) => lastWords.includes(words)))
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + WITHIN_MS
    while (!holds()) {
      await this.#throwIfFallen()
      if (performance.now() > deadlineMs) throw new Error(`not ${what} within ${WITHIN_MS} ms`)
      await sleep(POLL_MS)
    }
  }

  /** Whoever was killed may lie dead for a while; nobody ends by himself. */
  async #throwIfFallen(): Promise<void> {
    await this.fleet.throwIfFallen()
    const application = this.#application()
    if (application.running) return
    const { signal } = await application.exited
    if (signal !== 'SIGKILL') throw new Error(`the application ended: ${application.lastWords}`)
  }

  #held(name: Participant): readonly string[] {
    return this.#column(name, 'SELECT xid FROM pledged_in_doubt')
  }

  /** The first of each row. */
  #column(name: Participant, sql: string): string[] {
    const database = new DatabaseSync(this.fleet.fileOf(name), { readOnly: true, timeout: 10_000 })
    try {
      const rows = database.prepare(sql).all()
      return rows.map((row) => String(Object.values(row)[0]))
    } finally {
      database.close()
    }
  }
}

/** Nobody else is there yet while a log is being opened. */
function neededAt(point: CrashPoint): readonly (typeof PARTIES)[number][] {
  return point.startsWith('coordinator.opening.') ? ['daemon'] : PARTIES
}
