/** What strikes in a round: kills, each aimed at a crash point of the daemon, and cuts in the middle of each phase. */
import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '../../src/base/assert.ts'
import type { CrashPoint } from '../../src/base/crash-points.ts'
import { CUT_MOMENTS, type Cut } from '../harness/cutting-proxy.ts'
import { type DatabaseFleet, LAYOUTS, type Layout } from './fleet.ts'
import { PARTICIPANTS, type ParticipantName } from './work.ts'

export const APPLICATIONS = 4
export const WORKERS_EACH = 4

/** A window after the other, so that each victim dies in each of them in its turn. */
const POINTS = [
  'coordinator.vote.received',
  'coordinator.append.posted',
  'coordinator.delivery.before-send',
  'coordinator.delivery.after-send',
  'coordinator.append.before-post',
  'coordinator.append.durable',
  'coordinator.prepare.after-send',
  'coordinator.acknowledgement.received',
] as const satisfies readonly CrashPoint[]

/** The participants' own, for those that attach. */
const PARTICIPANT_POINTS = [
  'participant.vote.before-send',
  'participant.decision.received',
  'participant.vote.after-send',
  'participant.decision.applied',
  'participant.prepare.received',
] as const satisfies readonly CrashPoint[]

export type Fault =
  | { readonly type: 'kill'; readonly victim: string; readonly point: CrashPoint }
  | { readonly type: 'kill server'; readonly of: ParticipantName; readonly point: CrashPoint }
  | ({ readonly type: 'cut'; readonly of: ParticipantName } & Cut)

/** How each database is asked, phase by phase. */
const PHASES: Readonly<Record<ParticipantName, readonly string[]>> = {
  ledger: [
    'INSERT INTO events',
    'pledged_witness',
    'PREPARE TRANSACTION',
    'COMMIT PREPARED',
    'ROLLBACK PREPARED',
  ],
  stock: ['INSERT INTO events', 'pledged_witness', 'XA END', 'XA PREPARE', 'XA COMMIT', 'XA ROLLBACK'],
}

export function faultsOf(round: number, layout: Layout): readonly Fault[] {
  const point = (offset: number) => rotated(POINTS, round + offset)
  return [
    { type: 'kill', victim: 'daemon', point: point(0) },
    { type: 'kill server', of: 'ledger', point: point(1) },
    { type: 'kill', victim: `application ${round % APPLICATIONS}`, point: point(2) },
    ...participantKill(round, layout),
    { type: 'kill server', of: 'stock', point: point(3) },
    ...PARTICIPANTS.flatMap((of) =>
      PHASES[of].map((text, index) => {
        return { type: 'cut', of, text, moment: rotated(CUT_MOMENTS, round + index) } as const
      }),
    ),
  ]
}

/** Of the two in turn. In the daemon they have no process of their own. */
function participantKill(round: number, layout: Layout): readonly Fault[] {
  if (layout === 'inside') return []
  const victim = rotated(PARTICIPANTS, Math.floor(round / LAYOUTS.length))
  const points = layout === 'outside' ? PARTICIPANT_POINTS : POINTS
  return [{ type: 'kill', victim, point: rotated(points, Math.floor(round / LAYOUTS.length)) }]
}

const LANDS_WITHIN_MS = 60_000

/** Strikes, and heals what was struck. */
export async function strike(fleet: DatabaseFleet, fault: Fault): Promise<void> {
  switch (fault.type) {
    case 'kill':
      return killProcess(fleet, fault.victim, fault.point)
    case 'kill server':
      return killServer(fleet, fault.of, fault.point)
    case 'cut': {
      const { proxy } = fleet.databases[fault.of]
      return landing(fault, proxy.cutNext(fault))
    }
  }
}

async function killProcess(fleet: DatabaseFleet, name: string, point: CrashPoint): Promise<void> {
  const victim = fleet.process(name)
  const at = point.startsWith('participant.') ? victim : fleet.process('daemon')
  const kill = at === victim ? {} : { kill: victim.pid }
  await at.arm(point, { after: 3, ...kill })
  await landing({ type: 'kill', victim: name, point }, victim.exited)
  if (name === 'daemon') fleet.startDaemon()
  else if (name === 'ledger' || name === 'stock') fleet.startParticipant(name)
  else fleet.startApplication(Number(name.split(' ')[1]), WORKERS_EACH)
}

async function killServer(fleet: DatabaseFleet, of: ParticipantName, point: CrashPoint): Promise<void> {
  const { server } = fleet.databases[of]
  await fleet.process('daemon').arm(point, { after: 3, kill: server.pid })
  await landing({ type: 'kill server', of, point }, untilGone(server))
  await server.start()
}

async function untilGone(server: { readonly running: boolean }): Promise<void> {
  while (server.running) await sleep(5)
}

/** A fault that doesn't land shows nothing, and is a failure. */
async function landing(fault: Fault, landed: Promise<unknown>): Promise<void> {
  const abort = new AbortController()
  const late = sleep(LANDS_WITHIN_MS, 'late' as const, { signal: abort.signal }).catch(() => 'ended' as const)
  const first = await Promise.race([landed, late])
  abort.abort()
  if (first === 'late') throw new Error(`did not land within ${LANDS_WITHIN_MS} ms: ${JSON.stringify(fault)}`)
}

function rotated<T>(list: readonly T[], turn: number): T {
  return present(list[turn % list.length], 'the list is not empty')
}
