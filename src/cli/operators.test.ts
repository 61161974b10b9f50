/** What an operator can do, against a daemon whose answers are chosen. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import {
  AuditEvent,
  BranchMatch,
  type ComparedBranch,
  ForgetBranchResponse,
  type ResolveTransactionRequest,
  ResolveTransactionResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import { Decision } from '../wire/generated/pledged/v1/branch.ts'
import { ParticipantState, ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import { Outcome } from '../wire/generated/pledged/v1/transaction.ts'
import { FakeDaemon } from './testing/fake-daemon.ts'
import { awayParticipant, IN_DOUBT_XID, inDoubtTransaction } from './testing/in-doubt.ts'
import { type CliOptions, type CliResult, runCli } from './testing/run-cli.ts'

let daemon: FakeDaemon
const now = Date.now()

beforeEach(async () => {
  daemon = await FakeDaemon.start()
  daemon.transactions = [inDoubtTransaction(now)]
  daemon.participants = [awayParticipant(now)]
})

afterEach(() => daemon[Symbol.asyncDispose]())

function run(line: string, options: CliOptions = {}): Promise<CliResult> {
  // Words in quotes stay together, as a shell would have them.
  const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
  return runCli([...args, '--address', daemon.address], options)
}

const RESOLVE = 'tx resolve 9.1042 --abort --reason "its client is gone"'
const CONSEQUENCES = ['"sink" voted yes: it is told to abort', '"offsets" has not voted: it is told to abort']

describe('tx resolve', () => {
  let requests: ResolveTransactionRequest[]

  beforeEach(() => {
    requests = []
    daemon.operations.resolveTransaction = (request) => {
      requests.push(request)
      return ResolveTransactionResponse.fromPartial({ consequences: CONSEQUENCES })
    }
  })

  const asked = () => requests.map(({ dryRun }) => (dryRun ? 'dry run' : 'done'))

  it('shows the consequences, and does it when the xid was typed', async () => {
    const { exitCode, stdout, stderr } = await run(RESOLVE, { typed: '9.1042\n' })
    expect({ exitCode, asked: asked() }).toEqual({ exitCode: 0, asked: ['dry run', 'done'] })
    expect(requests[1]).toEqual({
      xid: IN_DOUBT_XID,
      decision: Decision.ABORT,
      reason: 'its client is gone',
      dryRun: false,
    })
    expect(stderr.split('\n').slice(0, 3)).toEqual([
      `to abort ${IN_DOUBT_XID} means:`,
      ...CONSEQUENCES.map((text) => `  - ${text}`),
    ])
    expect(stderr).toContain(`type the xid (9.1042) to abort ${IN_DOUBT_XID}: `)
    expect(stdout).toMatch(new RegExp(`^abort is decided for ${IN_DOUBT_XID}\n`))
  })

  it.each(['yes\n', '9.1043\n', '\n', ''])('does nothing when %j was typed', async (typed) => {
    const { exitCode, stdout, stderr } = await run(RESOLVE, { typed })
    expect({ exitCode, stdout, asked: asked() }).toEqual({ exitCode: 64, stdout: '', asked: ['dry run'] })
    expect(stderr).toMatch(/^.*pledged: not confirmed: .*nothing was done$/m)
  })

  it.each([
    ['nobody is there', RESOLVE, {}],
    ['it must not ask', `${RESOLVE} --no-input`, { typed: '9.1042\n' }],
  ])('is a mistake without --confirm where %s', async (_why, line, options) => {
    const { exitCode, stdout, stderr } = await run(line, options)
    expect({ exitCode, stdout, asked: asked() }).toEqual({ exitCode: 64, stdout: '', asked: ['dry run'] })
    expect(stderr).toMatch(/pledged: [^\n]*can't be taken back[^\n]*--confirm 9\.1042\n$/)
  })

  it.each([IN_DOUBT_XID, '9-q3f9.1042', '9.1042'])('takes --confirm %s', async (confirm) => {
    expect(await run(`${RESOLVE} --confirm ${confirm}`)).toMatchObject({ exitCode: 0 })
    expect(asked()).toEqual(['done'])
  })

  it('takes no other --confirm', async () => {
    const { exitCode, stderr } = await run(`${RESOLVE} --confirm 9.1043`)
    expect({ exitCode, asked: asked() }).toEqual({ exitCode: 64, asked: [] })
    expect(stderr).toContain('nothing was done')
  })

  it('only says what would be, on a dry run', async () => {
    const { exitCode, stdout, stderr } = await run(`${RESOLVE} --dry-run`)
    expect({ exitCode, stderr, asked: asked() }).toEqual({
      exitCode: 0,
      stderr: 'nothing was done\n',
      asked: ['dry run'],
    })
    expect(stdout).toBe(
      [`to abort ${IN_DOUBT_XID} means:`, ...CONSEQUENCES.map((text) => `  - ${text}`), ''].join('\n'),
    )
  })

  it('is JSON, where that is asked for', async () => {
    const { stdout } = await run(`${RESOLVE} --dry-run --json`)
    expect(JSON.parse(stdout)).toEqual({ transaction: null, consequences: CONSEQUENCES })
  })

  it('is refused where a decision exists, and says who has acted on it', async () => {
    daemon.operations.resolveTransaction = () => {
      throw new PledgedError('TRANSACTION_DECIDED', 'it has a decision')
    }
    const { exitCode, stdout, stderr } = await run('tx resolve 9.1042 --abort --reason "tired"')
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(
      /^refused: commit was decided at (.* )?\d\d:\d\d:\d\d and "sink" has committed\.\n$/,
    )
    const json = await run('tx resolve 9.1042 --abort --reason "tired" --json')
    expect(JSON.parse(json.stderr)).toEqual({
      error: { code: 'TRANSACTION_DECIDED', message: expect.stringContaining('"sink" has committed.') },
    })
  })

  it('is refused while one is being written', async () => {
    daemon.operations.resolveTransaction = () => {
      throw new PledgedError('APPEND_UNDER_WAY', 'its decision is being written: ask again in a moment')
    }
    const { exitCode, stderr } = await run(RESOLVE)
    expect(exitCode).toBe(1)
    expect(stderr).toBe('refused: its decision is being written: ask again in a moment\n')
  })

  it('is unknown, and never rounded, where the answer was lost', async () => {
    daemon.silent = true
    const whole = RESOLVE.replace('9.1042', IN_DOUBT_XID)
    const { exitCode, stderr } = await run(`${whole} --confirm 9.1042 --timeout 100ms`)
    expect(exitCode).toBe(75)
    expect(stderr).toContain('it may have been done; `pledged audit` tells')
  })

  it('is not done where nobody could be reached', async () => {
    const line = ['tx', 'resolve', IN_DOUBT_XID, '--abort', '--reason', 'x', '--confirm', '9.1042']
    const { exitCode, stderr } = await runCli([...line, '--address', '127.0.0.1:1'])
    expect(exitCode).toBe(69)
    expect(stderr).toContain("can't reach the daemon")
  })

  it.each([
    ['tx resolve 9.1042 --reason x', '--commit or --abort'],
    ['tx resolve 9.1042 --commit --abort --reason x', 'cannot be used with'],
    ['tx resolve 9.1042 --abort', "required option '--reason <text>'"],
    ['tx resolve 9.1042 --abort --reason "  "', 'Say why'],
    [`tx resolve 9.1042 --abort --reason ${'x'.repeat(1_001)}`, 'at most 1000 characters'],
    ['tx resolve nonsense --abort --reason x', 'is not an xid'],
    ['tx acknowledge 9.1042', "required option '--reason <text>'"],
    ['tx forget-branch 9.1042 --reason x', "required option '--participant <name>'"],
    ['tx forget-branch 9.1042 --participant A --reason x', 'A name has 1 to 32'],
    ['participant pause sink', "required option '--reason <text>'"],
    ['participant show SINK', "no participant's name"],
    ['audit --limit 0', 'It takes a number from 1'],
    ['diff --participant A', 'A name has 1 to 32'],
  ])('%s: a mistake', async (line, text) => {
    const { exitCode, stdout, stderr } = await run(line)
    expect({ exitCode, stdout, asked: asked() }).toEqual({ exitCode: 64, stdout: '', asked: [] })
    expect(stderr).toContain(text)
    expect(stderr).toMatch(/^pledged: [^\n]+\n$/)
  })
})

describe('tx forget-branch', () => {
  it('shows the consequences, and wants a confirmation', async () => {
    const seen: boolean[] = []
    daemon.operations.forgetBranch = (request) => {
      seen.push(request.dryRun)
      expect(request).toMatchObject({ xid: IN_DOUBT_XID, participant: 'offsets', reason: 'disk lost' })
      expect(request.decision).toBe(Decision.UNSPECIFIED)
      return ForgetBranchResponse.fromPartial({ consequences: ['how it ends there, nobody will know'] })
    }
    const line = 'tx forget-branch 9.1042 --participant offsets --reason "disk lost"'
    expect(await run(line)).toMatchObject({ exitCode: 64, stdout: '' })
    const { exitCode, stdout } = await run(`${line} --confirm 9.1042`)
    expect({ exitCode, seen }).toEqual({ exitCode: 0, seen: [true, false] })
    expect(stdout).toContain('how it ends there, nobody will know')
  })

  it('ends a branch of a lost log as it is told', async () => {
    const xid = 'h0t2m8c4p6vz.3-a1b2.17'
    daemon.operations.forgetBranch = (request) => {
      expect(request).toMatchObject({ xid, decision: Decision.COMMIT })
      return ForgetBranchResponse.fromPartial({ consequences: ['"offsets" is told to commit'] })
    }
    const line = `tx forget-branch ${xid} --participant offsets --commit --reason "log lost"`
    const { exitCode, stdout } = await run(`${line} --confirm ${xid}`)
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('"offsets" is told to commit'),
    })
  })
})

describe('tx retry and tx acknowledge', () => {
  it('says who is asked again', async () => {
    daemon.operations.retryTransaction = ({ xid }) => {
      expect(xid).toBe(IN_DOUBT_XID)
      return { transaction: inDoubtTransaction(now) }
    }
    const { exitCode, stdout } = await run('tx retry 9.1042')
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: `${IN_DOUBT_XID} committing, asked again: offsets\n`,
    })
  })

  it('closes a heuristic', async () => {
    daemon.operations.acknowledgeTransaction = (request) => {
      expect(request).toEqual({ xid: IN_DOUBT_XID, reason: 'row inserted by hand' })
      return { transaction: undefined }
    }
    const { exitCode, stdout } = await run('tx acknowledge 9.1042 --reason "row inserted by hand"')
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: `acknowledged: ${IN_DOUBT_XID} is reported no more\n`,
    })
  })

  it('is refused where there is none', async () => {
    daemon.operations.acknowledgeTransaction = () => {
      throw new PledgedError('NO_HEURISTIC', 'it has no broken pledge that is to be acknowledged')
    }
    const { exitCode, stderr } = await run('tx acknowledge 9.1042 --reason x')
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'refused: it has no broken pledge that is to be acknowledged\n',
    })
  })
})

describe('participant', () => {
  const paused = ParticipantStatus.fromPartial({
    ...awayParticipant(now),
    state: ParticipantState.PAUSED,
    pause: { who: 'anonymous', reason: 'moving its volume', time: new Date(now - 60_000) },
  })

  it('show tells how it is, what it holds in doubt, and what to do', async () => {
    const { exitCode, stdout } = await run('participant show offsets')
    expect(exitCode).toBe(0)
    expect(
      stdout
        .replace(/in \ds/, 'in Ns')
        .split('\n')
        .slice(0, 11),
    ).toEqual([
      'name\toffsets',
      'kind\toffsets',
      'resource\tnot seen yet',
      'witnesses\tnone: how a branch ended it can not tell',
      'link\tattached, down',
      'state\tbacking off',
      'in doubt\t1 branch, the oldest for 74s',
      'last error\tconnection refused (9 times)',
      'next try\tin Ns',
      'why   there is no connection to it; what it has pledged waits, with its locks.',
      'do    start it: delivery is automatic. Nothing is lost by waiting.',
    ])
    expect(stdout).toContain(`${IN_DOUBT_XID}\tcommitting\t`)
    expect(daemon.listRequests[0]).toMatchObject({ participant: 'offsets', inDoubt: true })
  })

  it('show knows no other', async () => {
    const { exitCode, stderr } = await run('participant show sink')
    expect(exitCode).toBe(66)
    expect(stderr).toContain('no participant "sink" is known to the daemon (known: offsets)')
  })

  it('pause and resume say what they did', async () => {
    daemon.operations.pauseParticipant = (request) => {
      expect(request).toEqual({ participant: 'offsets', reason: 'moving its volume' })
      return { participant: paused }
    }
    daemon.operations.resumeParticipant = (request) => {
      expect(request).toEqual({ participant: 'offsets', reason: '' })
      return { participant: awayParticipant(now) }
    }
    const pause = await run('participant pause offsets --reason "moving its volume"')
    expect(pause).toMatchObject({ exitCode: 0, stdout: 'offsets is paused; 1 branch in doubt waits\n' })
    const resume = await run('participant resume offsets')
    expect(resume).toMatchObject({ exitCode: 0, stdout: 'offsets is resumed: backing off\n' })
  })

  it('is named where it is paused', async () => {
    daemon.participants = [paused]
    daemon.status.participants = [paused]
    expect((await run('participant show offsets')).stdout).toMatch(
      /^state\tpaused since .*, by anonymous: moving its volume$/m,
    )
    const page = await run('tx show 9.1042')
    expect(page.stdout).toMatch(/^why {3}"offsets" is paused by anonymous: moving its volume\. /m)
    expect(page.stdout).toMatch(/^do {4}pledged participant resume offsets$/m)
    expect(await run('check')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('paused: offsets'),
    })
  })
})

describe('diff', () => {
  const branch = (match: BranchMatch, sequence: number): ComparedBranch => ({
    participant: 'offsets',
    xid: `k3f9qa7m2xw4.9-q3f9.${sequence}`,
    match,
    prepareTime: match === BranchMatch.MISSING ? undefined : new Date(now - 74_500),
    outcome: match === BranchMatch.MATCHED ? Outcome.COMMITTED : Outcome.UNKNOWN,
    message: 'a sentence',
  })

  it('has a row for each branch, of all pages', async () => {
    const matches = [1, 2, 3, 4, 5].map((match) => branch(match as BranchMatch, match))
    daemon.operations.compareBranches = ({ pageToken }) => ({
      branches: pageToken === '' ? matches.slice(0, 3) : matches.slice(3),
      nextPageToken: pageToken === '' ? 'more' : '',
      unscannedParticipants: [],
    })
    const { exitCode, stdout } = await run('diff')
    expect(exitCode).toBe(0)
    const rows = stdout.split('\n').map((line) => line.split('\t'))
    expect(rows.map((row) => row[2])).toEqual([
      'MATCH',
      'matched',
      'orphan',
      'foreign (living)',
      'foreign (dead)',
      'missing',
      undefined,
    ])
    expect(rows[1]?.slice(3)).toEqual([expect.stringMatching(/^7\ds$/), 'committed', 'a sentence'])
    expect(rows[5]?.slice(3)).toEqual(['-', 'unknown', 'a sentence'])
  })

  it('says, whatever else, whom it could not ask', async () => {
    daemon.operations.compareBranches = ({ participants }) => ({
      branches: [],
      nextPageToken: '',
      unscannedParticipants: participants.map((participant) => ({ participant, message: 'not connected' })),
    })
    const { exitCode, stdout, stderr } = await run('diff --participant offsets --quiet')
    expect({ exitCode, stderr }).toEqual({
      exitCode: 75,
      stderr: '"offsets" could not be asked, what it holds is unknown: not connected\n',
    })
    expect(stdout).toMatch(/^PARTICIPANT\tXID\tMATCH\t[^\n]*\n$/)
    const json = await run('diff --participant offsets --json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      branches: [],
      unscanned_participants: [{ participant: 'offsets', message: 'not connected' }],
    })
  })
})

describe('audit', () => {
  it('lists what operators did', async () => {
    daemon.operations.listAuditEvents = ({ xid, pageSize }) => {
      expect({ xid, pageSize }).toEqual({ xid: IN_DOUBT_XID, pageSize: 50 })
      const event = {
        time: new Date(now),
        who: 'anonymous',
        action: 'ResolveTransaction',
        xid,
        reason: 'tired',
      }
      return { events: [AuditEvent.fromPartial({ ...event, result: 'aborted' })], nextPageToken: '' }
    }
    const { exitCode, stdout } = await run('audit --xid 9.1042')
    expect(exitCode).toBe(0)
    const [heading, row] = stdout.split('\n')
    expect(heading).toBe('TIME\tWHO\tACTION\tXID\tPARTICIPANT\tREASON\tRESULT')
    expect(row?.split('\t').slice(1)).toEqual([
      'anonymous',
      'ResolveTransaction',
      IN_DOUBT_XID,
      '-',
      'tired',
      'aborted',
    ])
    expect(JSON.parse((await run('audit --xid 9.1042 --json')).stdout)).toMatchObject({
      events: [{ who: 'anonymous', result: 'aborted' }],
      next_page_token: '',
    })
  })
})
