/** What the suites on bad disks run: a daemon and its two participants, each a process, and the load with its oracle. */
import { connect } from '../../src/sdk/client/index.ts'
import { AttachedFleet } from '../harness/attached-fleet.ts'
import { CLI_FILE } from '../harness/pledged.ts'
import { Ledger } from './ledger.ts'

export const NAMES = ['sink', 'offsets'] as const
export type Name = (typeof NAMES)[number]
export type Party = Name | 'daemon'
const PARTIES: readonly Party[] = ['daemon', ...NAMES]

export interface Running {
  readonly fleet: AttachedFleet<Name>
  readonly ledger: Ledger
}

/** Nothing runs yet; `bringUp` starts it. */
export function prepareRun(directory: string): Running {
  const fleet = new AttachedFleet({
    directory,
    cliFile: CLI_FILE,
    served: { sink: 'sqlite', offsets: 'offsets' },
  })
  const ledger = new Ledger({ sink: fleet.fileOf('sink'), offsets: fleet.fileOf('offsets') })
  return { fleet, ledger }
}

/** Resolves when all are up. */
export async function bringUp(
  { fleet }: Running,
  environmentOf: (party: Party) => Readonly<Record<string, string>> | undefined = () => undefined,
): Promise<void> {
  for (const party of PARTIES) fleet.start(party, { environment: environmentOf(party) })
  await fleet.untilUp(NAMES)
}

/** Waits for the dust to settle, commits some more, and answers with what contradicts each other. */
export async function settle({ fleet, ledger }: Running): Promise<readonly string[]> {
  await fleet.until('settled', ({ in_doubt }) => in_doubt === 0)
  await using coordinator = connect({ address: fleet.address, timeoutMs: 20_000 })
  await ledger.commits(coordinator, 3)
  await fleet.until('settled', ({ in_doubt, heuristics }) => in_doubt === 0 && heuristics === 0)
  return await ledger.contradictions(coordinator)
}
