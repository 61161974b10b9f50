/**
 * A transaction that is left in doubt, for a newcomer to look at and to end: commit is decided, the sink has committed,
 * and the offset store was killed after its vote, before it heard. The daemon stays up, in the background; whoever
 * starts the offset store again sees it finished.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CrashPoint } from '../base/crash-points.ts'
import { PledgedError } from '../base/errors.ts'
import { connect } from '../sdk/client/index.ts'
import { ask, participantsUp } from './ask.ts'
import { DetachedDaemon } from './detached-daemon.ts'
import { FileJob, FileStores } from './file-stores.ts'
import { unexpectedEnd } from './fleet.ts'
import type { Input } from './input.ts'
import { killingAtInterrupt } from './interrupts.ts'
import { ManagedProcess } from './managed-process.ts'
import { BATCH } from './names.ts'
import type { Reporter } from './reporter.ts'
import { findFreePort } from './servers/free-port.ts'

export interface LeaveInDoubtOptions {
  /** Where the files are made, and stay. */
  readonly directory: string
  readonly cliFile: string
  readonly input: Input
  readonly reporter: Reporter
  readonly address: LeftAddress
}

export interface LeftAddress {
  /** HOST:PORT or unix:PATH. */
  readonly text: string
  /** Nobody insists on it: where it is taken, another will do. */
  readonly isDefault: boolean
  /** A command finds the daemon there without being told. */
  readonly isKnown: boolean
}

const DIES_AT: CrashPoint = 'participant.decision.received'
const READY_WITHIN_MS = 60_000

const FILES = {
  sink: 'sink.db',
  offsets: 'offsets.db',
  config: 'pledged-demo.yaml',
  log: 'pledged-demo-log',
  output: 'pledged-demo.out',
} as const

export async function leaveInDoubt(options: LeaveInDoubtOptions): Promise<number> {
  const { directory, reporter, input } = options
  mkdirSync(directory, { recursive: true })
  refuseLeftovers(directory)
  const stores = new FileStores(directory)
  await stores.start()
  const address = await freeAddress(options.address)
  const offsetsAddress = `127.0.0.1:${await findFreePort()}`
  writeConfiguration(directory, { address: address.text, offsetsAddress })
  const offsets = startOffsets(options, stores, offsetsAddress)
  let daemon: DetachedDaemon | undefined
  // Whoever changes their mind is left nothing that runs.
  const interrupts = killingAtInterrupt(() => {
    offsets.kill('SIGKILL')
    daemon?.kill()
  })
  try {
    await untilListening(offsets)
    daemon = startDaemon(options)
    await untilUp(options, address.text, daemon)
    const batch = input.events.slice(0, BATCH)
    reporter.line(`${batch.length} ${input.noun} -> ${stores.title}, one transaction`)
    const xid = await execute(stores, address.text, batch)
    reporter.line(`decided  commit: ${xid}; the client was told "committed"`)
    await offsets.exited
    await untilInDoubt(options, address.text, daemon)
    report(options, { address, xid, pid: daemon.pid })
    daemon.leave()
    return 0
  } catch (error) {
    daemon?.kill()
    throw error
  } finally {
    interrupts.forget()
    if (offsets.running) offsets.kill('SIGKILL')
  }
}

/** What is there may be somebody's; and the log of another run knows nothing of these databases. */
function refuseLeftovers(directory: string): void {
  const found = Object.values(FILES).filter((name) => existsSync(join(directory, name)))
  if (found.length === 0) return
  throw new PledgedError(
    'USAGE',
    `${found.join(', ')} ${found.length === 1 ? 'is' : 'are'} in ${directory} already, perhaps of an earlier run: start it in another folder, or name one with --keep`,
  )
}

function writeConfiguration(
  directory: string,
  { address, offsetsAddress }: { readonly address: string; readonly offsetsAddress: string },
): void {
  writeFileSync(
    join(directory, FILES.config),
    [
      `listen: ${JSON.stringify(address)}`,
      'http_listen: 127.0.0.1:0',
      `data_dir: ./${FILES.log}`,
      'participants:',
      `  - { name: sink, kind: sqlite, file: ./${FILES.sink} }`,
      `  - { name: offsets, kind: grpc, address: "${offsetsAddress}" }`,
      '',
    ].join('\n'),
  )
}

async function freeAddress(address: LeftAddress): Promise<LeftAddress> {
  const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(address.text)?.[1])
  if (!address.isDefault || (await canListen(port))) return address
  return { text: `127.0.0.1:${await findFreePort()}`, isDefault: false, isKnown: false }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** It has pledged, and dies of the decision's arrival. */
function startOffsets({ cliFile }: LeaveInDoubtOptions, stores: FileStores, address: string): ManagedProcess {
  const { kind, flags } = stores.serve('offsets')
  return new ManagedProcess({
    name: 'offsets',
    arguments: [cliFile, 'participant', 'serve', kind, ...flags, '--name', 'offsets', '--listen', address],
    environment: { PLEDGED_CRASH_POINT: DIES_AT },
  })
}

function startDaemon({ cliFile, directory }: LeaveInDoubtOptions): DetachedDaemon {
  return new DetachedDaemon({
    cliFile,
    configFile: join(directory, FILES.config),
    outputFile: join(directory, FILES.output),
  })
}

async function untilListening(offsets: ManagedProcess): Promise<void> {
  await until('the offset store listens', async () => {
    if (!offsets.running) throw unexpectedEnd(offsets, (await offsets.exited).code)
    return offsets.lastWords.includes('listens at')
  })
}

async function untilUp(
  { cliFile }: LeaveInDoubtOptions,
  address: string,
  daemon: DetachedDaemon,
): Promise<void> {
  await until('both participants are up', async () => {
    daemon.check()
    return participantsUp(await ask({ cliFile, command: 'status', address })) === 2
  })
}

async function untilInDoubt(
  { cliFile }: LeaveInDoubtOptions,
  address: string,
  daemon: DetachedDaemon,
): Promise<void> {
  await until('the sink has committed, and the offset store is missed', async () => {
    daemon.check()
    const { in_doubt: inDoubt, participants } = await ask({ cliFile, command: 'status', address })
    return inDoubt === 1 && participantsUp({ participants }) === 1
  })
}

async function execute(stores: FileStores, address: string, batch: readonly string[]): Promise<string> {
  const job = new FileJob(stores.offsetsFile)
  const ownerEpoch = await job.claimOwnerEpoch()
  await using coordinator = connect({ address, timeoutMs: READY_WITHIN_MS })
  const { outcome, xid } = await coordinator.execute([
    { participant: 'sink', work: job.insert(0, batch) },
    { participant: 'offsets', work: job.advance({ ownerEpoch, from: 0, to: batch.length }) },
  ])
  if (outcome === 'committed') return xid
  throw new PledgedError(
    'INTERNAL',
    `the demo's transaction ${xid} was ${outcome}, and should have committed`,
  )
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + READY_WITHIN_MS
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) {
      throw new PledgedError('UNAVAILABLE', `${what}: not within ${READY_WITHIN_MS / 1_000} s`)
    }
    await sleep(50)
  }
}

interface Left {
  readonly address: LeftAddress
  readonly xid: string
  readonly pid: number
}

function report({ directory, cliFile, reporter }: LeaveInDoubtOptions, { address, xid, pid }: Left): void {
  const to = address.isKnown ? '' : ` --address ${address.text}`
  const short = xid.replace(/^[^.]+\.(\d+)-[^.]+\./, '$1.')
  const file = directory === process.cwd() ? FILES.offsets : join(directory, FILES.offsets)
  reporter.line(`left     participant "offsets" stopped after its vote; daemon at ${address.text}`)
  reporter.line(`next     pledged check${to}`)
  reporter.detail(
    [
      `         pledged tx list --in-doubt${to}`,
      `         pledged tx show ${short}${to}`,
      `         pledged tx resolve ${short} --abort --reason "tired"${to}`,
      `         pledged participant serve offsets --name offsets --file ${file}${to}`,
      `stop     kill ${pid}; the files are in ${directory}: ${Object.values(FILES).join(', ')}`,
      `pledged  is: node ${cliFile}`,
    ].join('\n'),
  )
  reporter.json({ xid, participant: 'offsets', address: address.text, pid, directory, in_doubt: 1 })
}
