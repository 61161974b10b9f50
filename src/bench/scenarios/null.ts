/**
 * The protocol without databases: the daemon with its log on a disk, two participants that vote yes and keep nothing, and a
 * client with so many transactions in flight. The yardstick is a bare unary gRPC call, to another process, at the same concurrency.
 */
import { PledgedError } from '../../base/errors.ts'
import { type Branches, type Coordinator, connect } from '../../sdk/client/index.ts'
import { drive } from '../load.ts'
import { NullFleet } from '../processes/null-fleet.ts'
import { spreadOf } from '../report.ts'
import type { Scenario, ScenarioOptions } from './scenario.ts'

type Transport = 'session' | 'unary'

export interface NullScenarioOptions {
  readonly measures: string
  /** The first is the one that is measured; the others are what it is compared to. */
  readonly transports: readonly [Transport, ...Transport[]]
}

/** Of one variant in one round. */
interface Run {
  readonly perSecond: number
  readonly cpuPerCall: number
}

interface TransactionRun extends Run {
  readonly forcedWritesPerTransaction: number
}

interface Round {
  readonly bare: Run
  readonly transactions: Readonly<Partial<Record<Transport, TransactionRun>>>
}

const BRANCHES: Branches = [
  { participant: 'left', work: 'x' },
  { participant: 'right', work: 'x' },
]
const WARM_UP_SECONDS = 1

export function nullScenario({ measures, transports }: NullScenarioOptions): Scenario {
  return {
    measures,
    run: async (options) => {
      await using fleet = await NullFleet.start()
      const clients = new Map(
        transports.map((transport) => [transport, connect({ address: fleet.address, transport })]),
      )
      try {
        options.progress('warming up')
        await runRound(fleet, clients, { ...options, seconds: WARM_UP_SECONDS })
        const rounds: Round[] = []
        for (let round = 1; round <= options.rounds; round += 1) {
          rounds.push(await runRound(fleet, clients, options))
          options.progress(`round ${round} of ${options.rounds}`)
        }
        return { ...reportOf(rounds, transports), ...headOf(options) }
      } finally {
        await Promise.all([...clients.values()].map((client) => client.close()))
      }
    },
  }
}

function headOf({ scenario, inflight, rounds, seconds }: ScenarioOptions) {
  return { scenario, inflight, rounds, seconds_per_run: seconds }
}

async function runRound(
  fleet: NullFleet,
  clients: ReadonlyMap<Transport, Coordinator>,
  { inflight, seconds }: ScenarioOptions,
): Promise<Round> {
  const bare = await measured(
    () => fleet.cpuSeconds().bareServer,
    () => drive({ inflight, seconds, call: () => fleet.bareCall() }),
  )
  const transactions: Partial<Record<Transport, TransactionRun>> = {}
  for (const [transport, client] of clients) {
    const forcedBefore = await fleet.forcedWrites()
    const run = await measured(
      () => fleet.cpuSeconds().daemon,
      () => drive({ inflight, seconds, call: () => commit(client) }),
    )
    const forced = (await fleet.forcedWrites()) - forcedBefore
    transactions[transport] = { ...run, forcedWritesPerTransaction: forced / run.calls }
  }
  return { bare, transactions }
}

async function measured(
  cpuSeconds: () => number,
  load: () => ReturnType<typeof drive>,
): Promise<Run & { readonly calls: number }> {
  const before = cpuSeconds()
  const { calls, perSecond } = await load()
  return { calls, perSecond, cpuPerCall: (cpuSeconds() - before) / calls }
}

async function commit(client: Coordinator): Promise<void> {
  const { outcome, xid } = await client.execute(BRANCHES)
  if (outcome !== 'committed')
    throw new PledgedError('INTERNAL', `${xid} aborted, and nothing could abort it`)
}

function reportOf(rounds: readonly Round[], [measuredOne, ...others]: readonly [Transport, ...Transport[]]) {
  const over = (ratio: (round: Round, run: TransactionRun) => number) =>
    spreadOf(
      rounds.map((round) => {
        const run = round.transactions[measuredOne]
        return run === undefined ? Number.NaN : ratio(round, run)
      }),
    )
  return {
    ratios: {
      tx_per_s_over_bare_unary_calls_per_s: over(({ bare }, run) => run.perSecond / bare.perSecond),
      ...Object.fromEntries(
        others.map((other) => [
          `tx_per_s_over_${other}_tx_per_s`,
          over(({ transactions }, run) => run.perSecond / (transactions[other]?.perSecond ?? Number.NaN)),
        ]),
      ),
      forced_writes_per_tx: over((_round, run) => run.forcedWritesPerTransaction),
      coordinator_cpu_per_tx_over_server_cpu_per_bare_unary_call: over(
        ({ bare }, run) => run.cpuPerCall / bare.cpuPerCall,
      ),
    },
    figures: {
      bare_unary_calls_per_s: spreadOf(rounds.map(({ bare }) => bare.perSecond)),
      ...Object.fromEntries(
        [measuredOne, ...others].map((transport) => [
          `${transport}_tx_per_s`,
          spreadOf(rounds.map(({ transactions }) => transactions[transport]?.perSecond ?? Number.NaN)),
        ]),
      ),
    },
  }
}
