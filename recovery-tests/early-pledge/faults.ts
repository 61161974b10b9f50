/** What a round kills, and stops, and when: by turns at a moment of the protocol, one after the other, and at any. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import { defaultLimits } from '../../src/base/limits.ts'
import type { ManagedProcess } from '../../src/demo/managed-process.ts'
import { connect } from '../../src/sdk/client/index.ts'
import type { DatabaseFleet } from '../real-databases/fleet.ts'
import { ConsumerRecord } from './record.ts'

export const APPLICATIONS = 2
export const WORKERS_EACH = 4

export const VICTIMS = ['application', 'daemon', 'ledger', 'stock', 'stopped application'] as const
export type Victim = (typeof VICTIMS)[number]

export interface Fault {
  readonly victim: Victim
  /** By whom it is passed its name says. Undefined: at any time. */
  readonly point: CrashPoint | undefined
}

/** The application's own moments: it is killed, or stopped, at them; and so are the databases. */
const APPLICATION_POINTS = [
  'application.prepare.after',
  'application.commit.answered',
  undefined,
  'application.commit.sent',
  'application.branch.committed',
  'application.prepare.before',
  undefined,
  'application.branch.enlisted',
  'application.branches.ended',
] as const satisfies readonly (CrashPoint | undefined)[]

const DAEMON_POINTS = [
  'coordinator.commit.received',
  'coordinator.append.durable',
  undefined,
  'coordinator.append.posted',
  'coordinator.ending.received',
  'coordinator.enlist.received',
  undefined,
  'coordinator.append.before-post',
  'coordinator.answer.sent',
] as const satisfies readonly (CrashPoint | undefined)[]

/** Each of them meets each point in its turn, and no two of a round the same. */
export function faultsOf(round: number, victims: readonly Victim[]): readonly Fault[] {
  const first = round % victims.length
  const order = [...victims.slice(first), ...victims.slice(0, first)]
  return order.map((victim) => {
    const points = victim === 'daemon' ? DAEMON_POINTS : APPLICATION_POINTS
    return { victim, point: points[(round + 2 * VICTIMS.indexOf(victim)) % points.length] }
  })
}

const LANDS_WITHIN_MS = 60_000
const RANDOM_MS_MAX = 300
const POLL_MS = 5
/** Then the daemon has given a silent connection up. */
const SESSION_LIVES_MS = defaultLimits.keepaliveTimeMs + defaultLimits.keepaliveTimeoutMs

/** Strikes, and heals what was struck. */
export async function strike(fleet: DatabaseFleet, fault: Fault, round: number): Promise<void> {
  const index = round % APPLICATIONS
  const application = fleet.process(`application ${index}`)
  switch (fault.victim) {
    case 'application':
      await die(fault, application, application, application.pid, () => !application.running)
      fleet.startApplication(index, WORKERS_EACH)
      return
    case 'daemon': {
      const daemon = fleet.process('daemon')
      await die(fault, daemon, daemon, daemon.pid, () => !daemon.running)
      fleet.startDaemon()
      return
    }
    case 'ledger':
    case 'stock': {
      const { server } = fleet.databases[fault.victim]
      await die(fault, application, undefined, server.pid, () => !server.running)
      await server.start()
      return
    }
    case 'stopped application':
      return stop(fleet, fault, application, index)
    default:
      return fault.victim satisfies never
  }
}

/** `itself`: the passer, where it is the one that dies. A fault that doesn't land shows nothing, and is a failure. */
async function die(
  fault: Fault,
  passer: ManagedProcess,
  itself: ManagedProcess | undefined,
  pid: number,
  dead: () => boolean,
): Promise<void> {
  if (fault.point === undefined) {
    await sleep(Math.random() * RANDOM_MS_MAX)
    process.kill(pid, 'SIGKILL')
  } else {
    await passer.arm(fault.point, { after: 3, ...(itself === undefined && { kill: pid }) })
  }
  await until(`dead: ${JSON.stringify(fault)}`, dead)
}

/** For longer than its session lives, and until nothing of what it had begun is open. */
async function stop(
  fleet: DatabaseFleet,
  fault: Fault,
  application: ManagedProcess,
  index: number,
): Promise<void> {
  if (fault.point === undefined) {
    await sleep(Math.random() * RANDOM_MS_MAX)
    application.kill('SIGSTOP')
  } else {
    application.send({ type: 'signal', signal: 'SIGSTOP' })
    await application.arm(fault.point, { after: 3 })
  }
  await until(`stopped: ${JSON.stringify(fault)}`, () => isStopped(application.pid))
  await sleep(SESSION_LIVES_MS)
  await using coordinator = connect({ address: fleet.address })
  const { underWay } = new ConsumerRecord([fleet.journalOf(index)])
  for (const xid of underWay) {
    await until(`ended: ${xid}`, async () => (await coordinator.get({ xid })).outcome !== 'pending')
  }
  application.send({ type: 'signal', signal: 'SIGKILL' })
  application.kill('SIGCONT')
}

/** As the kernel says, behind the process's name. */
function isStopped(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LANDS_WITHIN_MS
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not ${what} within ${LANDS_WITHIN_MS} ms`)
    await sleep(POLL_MS)
  }
}
