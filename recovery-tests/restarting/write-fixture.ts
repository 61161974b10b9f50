#!/usr/bin/env node
/**
 * Writes a fixture of the formats that this version of Pledged writes, into fixtures/log-<n>-pledges-<m>, which must not
 * be there yet: node recovery-tests/restarting/write-fixture.ts. See README.md.
 *
 * In the fixture: a transaction that committed and ended; many that ended together; one that was voted down; a heuristic that nobody has
 * acknowledged, and one that was; a commit with a branch that was given up; a participant that is paused; a branch in a sink and
 * one in the offset store that are prepared and undecided; and a decided commit that was delivered to nobody. Everything
 * was killed at that moment.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Branches, connect, OutcomeUnknownError } from '../../src/sdk/client/index.ts'
import {
  type Attachment,
  attachParticipant,
  type BranchEnding,
  type Vote,
  vote,
} from '../../src/sdk/participant/index.ts'
import type { Case, Operated, Written, WrittenTransaction } from './fixture.ts'
import { FIXTURES, formatsOf, one } from './fixture.ts'
import { fixtureFleet, SERVED } from './fixture-fleet.ts'
import { move } from './work.ts'

const BRANCHES: Readonly<Record<Case | 'acknowledged' | 'forgotten', Branches>> = {
  committed: move('sink', { id: 1, partition: 0, from: 0, to: 1 }),
  refused: move('sink', { id: 1, partition: 0, from: 1, to: 2 }),
  heuristic: move('sink', { id: 2, partition: 2, from: 0, to: 1 }),
  acknowledged: move('sink', { id: 6, partition: 3, from: 0, to: 1 }),
  // The third votes yes, and is never heard of again.
  forgotten: [...move('sink', { id: 7, partition: 4, from: 0, to: 1 }), { participant: 'quitter', work: {} }],
  // The third never votes, so that the other two stay as they are: prepared, and undecided.
  undecided: [
    ...move('archive', { id: 3, partition: 1, from: 0, to: 1 }),
    { participant: 'silent', work: {} },
  ],
  undelivered: move('sink', { id: 4, partition: 0, from: 1, to: 2 }),
}

const FILES = ['log/pledged.db', 'log/pledged.db-wal', 'log/pledged.lock'].concat(
  SERVED.flatMap((name) => [`${name}.db`, `${name}.db-wal`]),
)
const ENDED: BranchEnding = { result: 'done', evidence: 'none', message: '' }
const PREPARED_WITHIN_MS = 30_000

const directory = mkdtempSync(join(tmpdir(), 'pledged-fixture-'))
const fleet = fixtureFleet({
  directory,
  cliFile: resolve(import.meta.dirname, '../../src/cli/pledged.ts'),
})
await using coordinator = connect({ address: fleet.address })
const strangers = [
  stranger('silent', { prepare: () => new Promise(() => {}) }),
  stranger('quitter', { prepare: () => vote.yes() }),
  stranger('quick', { prepare: () => vote.yes(), commit: () => ENDED }),
]
try {
  const target = save(await writeTransactions())
  process.stdout.write(`wrote ${target}\n`)
} finally {
  fleet.killAll()
  rmSync(directory, { recursive: true, force: true })
}
// The attachment to a daemon that is gone would be tried again, and the last request is still waiting.
process.exit()

/** It holds nothing, and acknowledges no commit unless it is said how. */
function stranger(
  name: string,
  verbs: { readonly prepare: () => Vote | Promise<Vote>; readonly commit?: () => BranchEnding },
): Attachment {
  return attachParticipant({
    address: fleet.address,
    name,
    participant: {
      describe: () => Promise.resolve({ kind: name, resourceId: `${name}-resource`, keepsWitnesses: false }),
      prepare: async () => verbs.prepare(),
      commit: async () => verbs.commit?.() ?? (await new Promise<never>(() => {})),
      abort: () => Promise.resolve(ENDED),
      listPrepared: () => Promise.resolve({ branches: [], nextPageToken: '' }),
      close: () => Promise.resolve(),
    },
  })
}

async function writeTransactions(): Promise<Omit<Written, 'formats'>> {
  for (const name of ['sink', 'archive'] as const) {
    const database = new DatabaseSync(fleet.fileOf(name))
    database.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, event INTEGER NOT NULL)')
    database.close()
  }
  for (const party of ['daemon', ...SERVED] as const) fleet.start(party)
  await fleet.untilUp([...SERVED, ...strangers.map(({ name }) => name)])
  const committed = await executed('committed', 'committed')
  await endTogether()
  const refused = await executed('refused', 'aborted')
  const operated = await operate()
  const heuristic = await makeHeuristic('heuristic')
  const undecided = await leaveUndecided()
  await operator('participant', 'pause', operated.paused)
  const undelivered = await leaveUndelivered(undecided.xid)
  return { transactions: { committed, refused, heuristic, undecided, undelivered }, operated }
}

/** Their ends are told to the log together. */
async function endTogether(): Promise<void> {
  const asked = Array.from({ length: 16 }, () =>
    coordinator.execute([{ participant: 'quick', work: {} }], { waitFor: 'completion' }),
  )
  await Promise.all(asked)
}

async function operate(): Promise<Operated> {
  const acknowledged = await makeHeuristic('acknowledged')
  await operator('tx', 'acknowledge', acknowledged.xid)
  const branches = BRANCHES.forgotten
  const { xid } = await coordinator.execute(branches, { requestId: 'forgotten' })
  await operator('tx', 'forget-branch', xid, '--participant', 'quitter', '--confirm', xid)
  await fleet.until('without doubt', (status) => status.in_doubt === 0 && status.heuristics === 0)
  return { acknowledged, forgotten: { xid, requestId: 'forgotten', branches }, paused: 'silent' }
}

async function operator(...command: readonly string[]): Promise<void> {
  const { code, said } = await fleet.run(
    ...command,
    '--reason',
    'for the fixture',
    '--address',
    fleet.address,
  )
  if (code !== 0) throw new Error(`pledged ${command.join(' ')}: ${said}`)
}

async function executed(what: Case, expected: string): Promise<WrittenTransaction> {
  const branches = BRANCHES[what]
  const { xid, outcome } = await coordinator.execute(branches, { requestId: what, waitFor: 'completion' })
  if (outcome !== expected) throw new Error(`${what} is ${outcome}`)
  return { xid, requestId: what, branches }
}

/** The pledge is taken out of the offset store by hand between the decision and its delivery. */
async function makeHeuristic(requestId: 'heuristic' | 'acknowledged'): Promise<WrittenTransaction> {
  const offsets = fleet.process('offsets')
  await fleet.process('daemon').arm('coordinator.delivery.before-send', { after: 1, kill: offsets.pid })
  const branches = BRANCHES[requestId]
  const { xid } = await coordinator.execute(branches, { requestId })
  await offsets.exited
  const database = new DatabaseSync(fleet.fileOf('offsets'))
  for (const table of ['pledged_in_doubt', 'pledged_lock']) {
    const { changes } = database.prepare(`DELETE FROM ${table} WHERE xid = ?`).run(xid)
    if (changes !== 1) throw new Error(`the branch was not in ${table}`)
  }
  database.close()
  fleet.start('offsets')
  await fleet.until('one heuristic', ({ heuristics }) => heuristics === 1)
  await fleet.untilUp(SERVED)
  return { xid, requestId, branches }
}

async function leaveUndecided(): Promise<WrittenTransaction> {
  const branches = BRANCHES.undecided
  // It is never answered: its daemon dies, and the outcome stays unknown to this caller.
  coordinator.execute(branches, { requestId: 'undecided', prepareTimeoutMs: 120_000 }).catch(ignoreUnknown)
  const xid = await heldIn('archive', '')
  await heldIn('offsets', '')
  return { xid, requestId: 'undecided', branches }
}

async function leaveUndelivered(other: string): Promise<WrittenTransaction> {
  const daemon = fleet.process('daemon')
  await daemon.arm('coordinator.append.durable', { after: 1 })
  const branches = BRANCHES.undelivered
  coordinator.execute(branches, { requestId: 'undelivered' }).catch(ignoreUnknown)
  await daemon.exited
  await fleet.kill(SERVED)
  const xid = await heldIn('sink', '')
  await heldIn('offsets', other)
  return { xid, requestId: 'undelivered', branches }
}

/** The xid that the participant holds, when it holds one besides the other. */
async function heldIn(name: 'sink' | 'archive' | 'offsets', other: string): Promise<string> {
  const deadlineMs = performance.now() + PREPARED_WITHIN_MS
  while (performance.now() < deadlineMs) {
    const xid = readHeld(fleet.fileOf(name), other)
    if (xid !== undefined) return xid
    await sleep(20)
  }
  throw new Error(`${name} holds nothing prepared`)
}

/** Read only: the fixture has its files as the kill left them. */
function readHeld(file: string, other: string): string | undefined {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 })
  try {
    const row = database.prepare('SELECT xid FROM pledged_in_doubt WHERE xid <> ?').get(other)
    return row === undefined ? undefined : String(row['xid'])
  } finally {
    database.close()
  }
}

function ignoreUnknown(error: unknown): void {
  if (!(error instanceof OutcomeUnknownError)) throw error
}

function save(written: Omit<Written, 'formats'>): string {
  const copy = join(directory, 'copy')
  copyFiles(copy)
  const formats = formatsOf(copy)
  const together = one(
    join(copy, 'log', 'pledged.db'),
    'SELECT count(*) FROM records WHERE through_sequence IS NOT NULL',
  )
  if (Number(together) === 0) throw new Error('no transactions ended together: write it once more')
  const target = join(FIXTURES, `log-${formats.log}-pledges-${formats.pledges}`)
  if (existsSync(target)) throw new Error(`${target} is there: a fixture that was released never changes`)
  copyFiles(target)
  writeFileSync(join(target, 'written.json'), `${JSON.stringify({ formats, ...written }, undefined, 2)}\n`)
  return target
}

function copyFiles(target: string): void {
  mkdirSync(join(target, 'log'), { recursive: true })
  for (const file of FILES) {
    if (existsSync(join(directory, file))) copyFileSync(join(directory, file), join(target, file))
  }
}
