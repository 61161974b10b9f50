/**
 * The application of a sidecar. It finds its daemon as any application does, by PLEDGED_ADDRESS, and tells what it does in
 * lines on standard output. Arguments: WHAT, then what that needs.
 *
 *   moves JOURNAL OFFSETS_FILE   workers move offsets and put the same events into the sink, until SIGTERM: exit code 9
 *   forks JOURNAL OFFSETS_FILE   a child of its own moves; it ends itself at SIGUSR1, and leaves the child behind: 4
 *   stands-by JOURNAL            asks what became of everything in the journal: 0, or 1 where an answer was taken back
 *   owes CLI_FILE SINK_FILE      commits, and the participant of one branch dies of it, and stays away: 0
 *   signals                      names each signal that it is sent, and ends at SIGUSR2 alone: 5
 */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import { GROUP, TOPIC } from '../../src/demo/names.ts'
import { type Branches, connect, PledgedError } from '../../src/sdk/client/index.ts'
import { ClientRecord } from '../harness/client-record.ts'
import { eventMove } from '../harness/event-move.ts'
import { RecordingClient } from '../harness/recording-client.ts'

const WORKERS = 3
const [what = '', journal = '', offsetsFile = ''] = process.argv.slice(2)

// A test that was killed leaves nobody running: its end of standard input closes.
process.stdin.on('end', () => process.exit(99)).resume()

switch (what) {
  case 'moves':
    await moves()
    break
  case 'forks':
    forks()
    break
  case 'stands-by':
    await standsBy()
    break
  case 'owes':
    await owes({ cliFile: journal, sinkFile: offsetsFile })
    break
  case 'signals':
    signals()
    break
  default:
    throw new Error(`${what}: moves, forks, stands-by, owes or signals`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function moves(): Promise<void> {
  let stopping = false
  process.on('SIGTERM', () => {
    stopping = true
  })
  const coordinator = connect({ timeoutMs: 20_000 })
  const client = new RecordingClient({ coordinator, journal, goesOn: () => !stopping })
  const ownerEpoch = claimOwnerEpoch({ file: offsetsFile, group: GROUP })
  say(`moving ${process.pid}`)
  const work = async (partition: number): Promise<void> => {
    for (let round = 1; !stopping; round += 1) {
      const from = readOffset({ file: offsetsFile, group: GROUP, topic: TOPIC, partition })
      const outcome = await client.commit(
        `${ownerEpoch}/${partition}/${round}`,
        eventMove({ ownerEpoch, partition, from, to: from + 1 }),
      )
      if (outcome === 'committed') say('moved')
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, partition) => work(partition)))
  await coordinator.close()
  process.exit(9)
}

function forks(): void {
  spawn(process.execPath, [import.meta.filename, 'moves', journal, offsetsFile], { stdio: 'inherit' })
  process.on('SIGUSR1', () => process.exit(4))
}

async function standsBy(): Promise<void> {
  const record = new ClientRecord(journal)
  await using coordinator = connect()
  const contradictions = await record.contradictions(coordinator, 0)
  say(`stood by ${record.told.length - contradictions.length} of ${record.told.length}`)
  for (const contradiction of contradictions) say(contradiction)
  process.exit(contradictions.length === 0 ? 0 : 1)
}

/** `archive` isn't the daemon's: it attaches, and goes when it has to commit. */
async function owes({ cliFile, sinkFile }: { readonly cliFile: string; readonly sinkFile: string }) {
  spawn(
    process.execPath,
    [cliFile, 'participant', 'serve', 'sqlite', '--name', 'archive', '--file', sinkFile],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, PLEDGED_CRASH_POINT: 'participant.decision.received' },
    },
  )
  const work = { statements: [{ sql: 'INSERT INTO events (event, payload) VALUES (1, 1)' }] }
  const branches: Branches = [
    { participant: 'archive', work },
    { participant: 'sink', work },
  ]
  await using coordinator = connect({ timeoutMs: 20_000 })
  for (;;) {
    try {
      const { outcome } = await coordinator.execute(branches)
      if (outcome === 'committed') break
    } catch (error) {
      if (!(error instanceof PledgedError && error.code === 'UNKNOWN_PARTICIPANT')) throw error
    }
    await sleep(20)
  }
  say('committed')
  process.exit(0)
}

function signals(): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const) {
    process.on(signal, () => say(`got ${signal}`))
  }
  process.on('SIGUSR2', () => {
    say('got SIGUSR2')
    process.exit(5)
  })
  say(`waiting ${process.pid}`)
}
