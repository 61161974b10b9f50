/** What comes from outside may be anything: it is refused or handled, and the participant goes on. */
import { status as STATUS } from '@grpc/grpc-js'
import { isDone, showEnding, showVote } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure } from '../finding.ts'
import type { ConformanceCase } from './conformance-case.ts'

/** Each malformed in a way of its own: as a path, in SQL, in a shell, on a terminal, in a log line. */
const XIDS: readonly string[] = [
  '',
  ' ',
  'x',
  '../../../../tmp/pledged-conformance',
  '/etc/passwd',
  "k3f9qa7m2xw4.7-q3f9.1'; DROP TABLE pledges; --",
  '$(touch /tmp/pledged-conformance)',
  'k3f9qa7m2xw4.7-q3f9.0',
  'K3F9QA7M2XW4.7-Q3F9.1',
  'k3f9qa7m2xw4.7-q3f9.1\nk3f9qa7m2xw4.7-q3f9.2',
  'k3f9qa7m2xw4.7-q3f9.1\u0000',
  '\u001b[2J',
  '\u{1F525}',
  '%s%s%s%n',
  'x'.repeat(100_000),
]

const BRANCHES: readonly string[] = [
  '',
  '../ledger',
  "ledger'; --",
  'Ledger',
  'l'.repeat(10_000),
  'a/b',
  'a\u0000b',
]

const MIB = 1 << 20

interface NamedWork {
  readonly what: string
  readonly bytes: Uint8Array
}

const WORKS: readonly NamedWork[] = [
  { what: 'no bytes', bytes: new Uint8Array(0) },
  { what: 'invalid UTF-8', bytes: Uint8Array.of(0x7b, 0xff, 0xfe, 0x80, 0x7d) },
  { what: 'every byte', bytes: Uint8Array.from({ length: 256 }, (_, index) => index) },
  { what: 'half a JSON document', bytes: Buffer.from('{"a": [1, 2') },
  { what: 'JSON of another shape', bytes: Buffer.from('[null, 1e999, {"__proto__": {"x": 1}}]') },
  { what: 'JSON nested 100,000 deep', bytes: Buffer.from('['.repeat(100_000)) },
  { what: '1 MiB', bytes: new Uint8Array(MIB).fill(0x41) },
  { what: '8 MiB', bytes: new Uint8Array(8 * MIB).fill(0x41) },
]

const METHODS = [
  'PrepareBranch',
  'CommitBranch',
  'AbortBranch',
  'ListPreparedBranches',
  'GetBranchEvidence',
  'ForgetBranches',
] as const

const SURVIVE = 'Check what comes in before using it; let nothing that a caller sends end the process.'

export const hostileCases: readonly ConformanceCase[] = [
  {
    name: 'hostile-xids',
    weight: 'robustness',
    rule: 'A malformed xid is refused, or handled like any other; never taken for a path, SQL or a command, and never committed.',
    why: 'An xid becomes part of file names, SQL and log lines.',
    advice: `${SURVIVE} An xid is <12 of 0-9a-z>.<number>-<4 of 0-9a-z>.<number>: refuse what isn't, or bind it as a parameter.`,
    run: survivesXids,
  },
  {
    name: 'hostile-branches',
    weight: 'robustness',
    rule: 'A branch with an empty, another or a malformed name is refused, or handled as a branch of its own.',
    why: 'A coordinator may be configured with another name than the participant expects.',
    advice: `${SURVIVE} Refuse a branch that isn't the name you are served under, or keep it with the xid.`,
    run: survivesBranches,
  },
  {
    name: 'hostile-work',
    weight: 'robustness',
    rule: 'Work that is malformed, binary or huge is a no vote (or an error), or is done; an abort leaves nothing of it.',
    why: 'Work comes from applications, and their mistakes are part of it.',
    advice: `${SURVIVE} Answer VOTE_NO with the reason to work that can't be read.`,
    run: survivesWork,
  },
  {
    name: 'hostile-messages',
    weight: 'robustness',
    rule: "Bytes that are no message, and methods that don't exist, are answered with an error.",
    why: 'Anything may connect to an open port.',
    advice: `${SURVIVE} gRPC libraries do this by themselves, unless a handler is registered for everything.`,
    run: survivesMessages,
  },
]

async function survivesXids(bench: Bench): Promise<string> {
  const before = await bench.pledge()
  let refused = 0
  for (const xid of XIDS) {
    const what = `the xid ${JSON.stringify(xid.slice(0, 50))}`
    const commit = await bench.tryEnd('commit', xid)
    ensure(!isDone(commit), `a commit of ${what} was answered ${showEnding(commit)}`)
    const seen = await bench.tryPrepare(xid, bench.works.next())
    if (seen.vote !== 'yes') refused += 1
    const ending = await bench.tryEnd('abort', xid)
    ensure(
      seen.vote !== 'yes' || isDone(ending),
      `${what} was voted yes, and its abort answered ${showEnding(ending)}`,
    )
    await bench.requireServing(`after ${what}`)
  }
  const held = await bench.held()
  ensure(held.has(before), `${before} was held before, and is no longer listed`)
  const left = XIDS.find((xid) => held.has(xid))
  ensure(left === undefined, `the xid ${JSON.stringify(left?.slice(0, 50))} is left in the list`)
  return `${refused} of ${XIDS.length} refused, the others ended`
}

async function survivesBranches(bench: Bench): Promise<string> {
  const before = await bench.pledge()
  let refused = 0
  for (const branch of BRANCHES) {
    const what = `the branch ${JSON.stringify(branch.slice(0, 50))}`
    const xid = bench.newXid()
    const seen = await bench.tryPrepare(xid, bench.works.next(), { branch })
    if (seen.vote !== 'yes') refused += 1
    const ending = await bench.tryEnd('abort', xid, { branch })
    ensure(
      seen.vote !== 'yes' || isDone(ending),
      `${what} was voted yes, and its abort answered ${showEnding(ending)}`,
    )
    await bench.requireServing(`after ${what}`)
    ensure(!(await bench.held()).has(xid), `${what} was aborted, and is listed`)
  }
  ensure((await bench.held()).has(before), `${before} was held before, and is no longer listed`)
  return `${refused} of ${BRANCHES.length} refused, the others ended`
}

async function survivesWork(bench: Bench): Promise<string> {
  const given = bench.works.hostile.map((template, index) => ({
    what: `hostile work ${index + 1}`,
    bytes: bench.works.filled(template),
  }))
  let refused = 0
  for (const { what, bytes } of [...WORKS, ...given]) {
    const xid = bench.newXid()
    const seen = await bench.tryPrepare(xid, bytes)
    if (seen.vote !== 'yes') refused += 1
    ensure(seen.vote !== 'none' && seen.vote !== 'committed', `${what} was answered ${showVote(seen)}`)
    if (seen.vote === 'no' && seen.error === undefined && seen.message === '') {
      bench.remark(`the no vote to ${what} has no message: the application is told no reason`)
    }
    const ending = await bench.finish('abort', xid)
    ensure(isDone(ending), `the abort after ${what} was answered ${showEnding(ending)}`)
    await bench.requireServing(`after ${what}`)
    ensure(!(await bench.held()).has(xid), `${what} was aborted, and is listed`)
  }
  const after = await bench.pledge()
  return `${refused} of ${WORKS.length + given.length} refused; after them ${after} was voted yes`
}

async function survivesMessages(bench: Bench): Promise<string> {
  const before = await bench.pledge()
  const garbage = [
    Buffer.from('ffffffffffffffff', 'hex'),
    Buffer.from('0a05', 'hex'),
    Buffer.alloc(70_000, 0x0a),
  ]
  for (const method of METHODS) {
    for (const bytes of garbage) {
      const answer = await bench.caller.askRaw(method, bytes)
      ensure(!answer.ok, `${method} answered ${bytes.byteLength} bytes that are no message with OK`)
      await bench.requireServing(`after bytes that are no message, to ${method}`)
    }
  }
  const unknown = await bench.caller.askRaw('NoSuchMethod', Buffer.alloc(0))
  ensure(!unknown.ok, 'NoSuchMethod answered with OK')
  if (unknown.code !== STATUS.UNIMPLEMENTED) {
    bench.remark(`a method that doesn't exist was answered ${STATUS[unknown.code]} instead of UNIMPLEMENTED`)
  }
  ensure((await bench.held()).has(before), `${before} was held before, and is no longer listed`)
  return `${METHODS.length * garbage.length + 1} refused`
}
