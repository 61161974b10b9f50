import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { Evidence, Vote } from '../wire/generated/pledged/v1/branch.ts'
import {
  ParticipantLink,
  ParticipantState,
  ParticipantStatus,
} from '../wire/generated/pledged/v1/participant.ts'
import {
  AbortCause,
  BranchState,
  Outcome,
  State,
  TimelineEvent_Kind,
  Transaction,
} from '../wire/generated/pledged/v1/transaction.ts'
import { FakeDaemon } from './testing/fake-daemon.ts'
import { awayParticipant, IN_DOUBT_XID, inDoubtTransaction } from './testing/in-doubt.ts'
import { type CliOptions, type CliResult, runCli } from './testing/run-cli.ts'

let daemon: FakeDaemon

beforeEach(async () => {
  daemon = await FakeDaemon.start()
})

afterEach(async () => {
  await daemon[Symbol.asyncDispose]()
})

function run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return runCli([...args, '--address', daemon.address], options)
}

const now = Date.now()

function ended(sequence: number): Transaction {
  return Transaction.fromPartial({
    xid: `k3f9qa7m2xw4.8-aaaa.${sequence}`,
    state: State.ABORTED,
    outcome: Outcome.ABORTED,
    abortCause: AbortCause.VOTE_NO,
    abortMessage: 'participant "sink" voted no: UNIQUE constraint failed',
    branches: [
      {
        participant: 'sink',
        state: BranchState.ABORTED,
        vote: Vote.NO,
        voteMessage: 'UNIQUE constraint failed',
      },
    ],
    createTime: new Date(now - 7_200_000),
    decideTime: new Date(now - 7_199_000),
    endTime: new Date(now - 7_199_000),
  })
}

describe('tx list', () => {
  beforeEach(() => {
    daemon.transactions = [inDoubtTransaction(now), ended(5), ended(4), ended(3)]
    daemon.participants = [awayParticipant(now)]
  })

  it('is a table on a terminal', async () => {
    const { exitCode, stdout, stderr } = await run(['tx', 'list', '--in-doubt'], { columns: 120 })
    expect(stripVTControlCharacters(stdout).split('\n')).toEqual([
      'XID                       STATE       AGE  WAITING FOR  LAST ERROR',
      `${IN_DOUBT_XID}  committing  ${/\d+s/.exec(stdout)?.[0]}  offsets      connection refused (9 times)`,
      '',
    ])
    expect(stdout).toContain('\u001b[33mcommitting\u001b[39m')
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(daemon.listRequests[0]).toMatchObject({ inDoubt: true, includeEnded: false, pageSize: 50 })
  })

  it.each([
    ['--no-color', ['--no-color'], {}],
    ['NO_COLOR', [], { NO_COLOR: '1' }],
    ['TERM=dumb', [], { TERM: 'dumb' }],
  ])('is without colours: %s', async (_name, flags, environment) => {
    const { stdout } = await run(['tx', 'list', ...flags], { columns: 120, environment })
    expect(stdout).toBe(stripVTControlCharacters(stdout))
    expect(stdout).toContain('XID    ')
  })

  it('is plain when piped, and tells on the side how many more there are', async () => {
    const { stdout, stderr } = await run(['tx', 'list', '--all', '--limit', '2'])
    const [heading, first, second, end] = stdout.split('\n')
    expect(heading).toBe('XID\tSTATE\tAGE\tWAITING FOR\tLAST ERROR')
    expect(first?.split('\t')[0]).toBe(IN_DOUBT_XID)
    expect(second).toBe(
      'k3f9qa7m2xw4.8-aaaa.5\taborted\t2h\t-\tparticipant "sink" voted no: UNIQUE constraint failed',
    )
    expect(end).toBe('')
    expect(stderr).toBe('more have ended: --limit shows more\n')
    expect(await run(['tx', 'list', '--all', '--limit', '2', '--quiet'])).toMatchObject({ stderr: '' })
  })

  it('counts the unfinished ones that it does not show', async () => {
    daemon.transactions = [1, 2, 3].map((sequence) => ({
      ...inDoubtTransaction(now),
      xid: `k3f9qa7m2xw4.9-q3f9.${sequence}`,
    }))
    const { stderr } = await run(['tx', 'list', '--limit', '1'])
    expect(stderr).toBe('2 more transactions are not finished: --limit shows more\n')
  })

  it('asks for what the flags say', async () => {
    await run([
      'tx',
      'list',
      '--state',
      'aborted',
      '--state',
      'preparing',
      '--participant',
      'sink',
      '--older-than',
      '30s',
    ])
    expect(daemon.listRequests[0]).toEqual({
      pageSize: 50,
      pageToken: '',
      states: [State.ABORTED, State.PREPARING],
      participant: 'sink',
      inDoubt: false,
      heuristic: false,
      minAge: { seconds: 30n, nanos: 0 },
      // Those that are aborted have ended.
      includeEnded: true,
    })
  })

  it('follows the pages of the daemon to the limit', async () => {
    daemon.transactions = Array.from({ length: 1_500 }, (_, index) => ended(1_500 - index))
    const { stdout } = await run(['tx', 'list', '--all', '--limit', '1200', '--json'])
    const { transactions, next_page_token: token } = JSON.parse(stdout)
    expect(transactions.length).toBe(1_200)
    expect(token).not.toBe('')
    expect(daemon.listRequests.map(({ pageSize }) => pageSize)).toEqual([1_000, 200])
  })

  it('is one JSON document', async () => {
    const { stdout } = await run(['tx', 'list', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      transactions: [
        { xid: IN_DOUBT_XID, state: 'committing', outcome: 'committed', abort_cause: null, heuristic: false },
      ],
      next_page_token: '',
      total_unfinished: 1,
    })
  })
})

describe('tx show', () => {
  beforeEach(() => {
    daemon.transactions = [inDoubtTransaction(now), ended(5)]
    daemon.participants = [awayParticipant(now)]
  })

  it('says what was decided, where each branch stands, why it waits, and what to do', async () => {
    const { exitCode, stdout } = await run(['tx', 'show', '9.1042'])
    expect(exitCode).toBe(0)
    const lines = stdout
      .replaceAll(/(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{3}/g, 'TIME')
      .replaceAll(/\d+s ago/g, 'AGO')
      .split('\n')
    expect(lines).toEqual([
      `${IN_DOUBT_XID}  committing; begun AGO (TIME); request batch-21, attempt 1`,
      'decision commit, forced TIME; whoever asks is told "committed"',
      '  sink     yes  committed  +6 ms',
      expect.stringMatching(
        /^ {2}offsets {2}yes {2}IN DOUBT {3}9 attempts, next in \ds: connection refused; holds its locks$/,
      ),
      'why   "offsets" pledged, then went away. It can\'t abort any more.',
      'do    start it: delivery is automatic. Nothing is lost by waiting.',
      '      gone for ever? pledged tx forget-branch 9.1042 --participant offsets --reason TEXT',
      'timeline',
      '  TIME  +0 ms    -        begun',
      '  TIME  +20 ms   -        decided to commit',
      '  TIME  +20 ms   offsets  told the decision',
      '  TIME  +26 ms   sink     acknowledged',
      '  TIME  +920 ms  offsets  told the decision (2 times, the last TIME)',
      '',
    ])
  })

  it('says what the doubt costs, where the participant knows', async () => {
    const transaction = inDoubtTransaction(now)
    const cost = 'holds 3 locks on account; holds back vacuum by 12 transactions'
    const branches = transaction.branches.map((branch) => ({ ...branch, cost }))
    daemon.transactions = [{ ...transaction, branches }]
    const { stdout } = await run(['tx', 'show', '9.1042'])
    expect(stdout).toContain(`connection refused; ${cost}\n`)
    expect(stdout).not.toContain('holds its locks')
  })

  it('tells of an abort, with the reason of the vote', async () => {
    const { exitCode, stdout } = await run(['tx', 'show', '8-aaaa.5'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^decision abort, .*: participant "sink" voted no: UNIQUE constraint failed$/m)
    expect(stdout).toMatch(/^ {2}sink {2}no {2}aborted {2}UNIQUE constraint failed$/m)
    expect(stdout).not.toMatch(/^(why|do) /m)
  })

  it('never rounds an unknown outcome', async () => {
    daemon.transactions = [
      Transaction.fromPartial({
        xid: 'k3f9qa7m2xw4.1-aaaa.1',
        state: State.ABORTED,
        outcome: Outcome.UNKNOWN,
        abortMessage: 'older than what the log has kept: nobody can say how it ended',
        endTime: new Date(now),
      }),
    ]
    const { exitCode, stdout } = await run(['tx', 'show', 'k3f9qa7m2xw4.1-aaaa.1'])
    expect(exitCode).toBe(75)
    expect(stdout).toContain('decision unknown: older than what the log has kept')
    expect(stdout.split('\n')[0]).not.toContain('aborted')
  })

  it.each([
    [
      Outcome.PENDING,
      /^why {3}"sink" commits it by itself, as its only branch, and has not answered yet\.$/m,
    ],
    [Outcome.UNKNOWN, /^why {3}"sink" was to commit it by itself, .*its answer was lost: not connected\.$/m],
  ])('says who alone knows how it ends (%o)', async (outcome, why) => {
    daemon.transactions = [
      Transaction.fromPartial({
        xid: IN_DOUBT_XID,
        state: State.PREPARING,
        outcome,
        createTime: new Date(now),
        branches: [
          {
            participant: 'sink',
            state: BranchState.PREPARING,
            lastError: { message: 'not connected', time: new Date(now) },
          },
        ],
        timeline: [
          { time: new Date(now), kind: TimelineEvent_Kind.APPEND_POSTED },
          { time: new Date(now), kind: TimelineEvent_Kind.PREPARE_SENT, participant: 'sink' },
        ],
      }),
    ]
    const { stdout } = await run(['tx', 'show', IN_DOUBT_XID])
    expect(stdout).toMatch(why)
    expect(stdout).not.toMatch(/log could not be written|is being written|is missing/)
  })

  it('reports a broken pledge, whatever else is said', async () => {
    const broken = inDoubtTransaction(now)
    daemon.transactions = [
      Transaction.fromPartial({
        ...broken,
        heuristic: true,
        branches: [
          {
            participant: 'sink',
            state: BranchState.HEURISTIC_ABORTED,
            vote: Vote.YES,
            evidence: Evidence.NO_WITNESS,
          },
        ],
      }),
    ]
    const { stdout } = await run(['tx', 'show', '9.1042'])
    expect(stdout).toContain('committing, heuristic')
    expect(stdout).toContain('ABORTED AGAINST THE DECISION  there is no witness that it committed')
    expect(stdout).toMatch(
      /^why {3}"sink" aborted, and the decision is to commit: .*no witness that it committed/m,
    )
    expect(stdout).toMatch(/^do {4}compare what "sink" holds/m)
    expect(stdout).toMatch(/^ {6}mended\? pledged tx acknowledge 9\.1042 --reason TEXT$/m)
  })

  it('waits for votes', async () => {
    daemon.transactions = [
      Transaction.fromPartial({
        xid: IN_DOUBT_XID,
        state: State.PREPARING,
        outcome: Outcome.PENDING,
        createTime: new Date(now),
        branches: [
          { participant: 'sink', state: BranchState.PREPARED, vote: Vote.YES },
          { participant: 'offsets', state: BranchState.PREPARING },
        ],
      }),
    ]
    const { stdout } = await run(['tx', 'show', IN_DOUBT_XID])
    expect(stdout).toMatch(/^decision none yet: votes are missing$/m)
    expect(stdout).toMatch(/^why {3}the vote of "offsets" is missing\.$/m)
    expect(stdout).not.toContain('IN DOUBT')
  })

  it.each([
    ['8.999', 66, 'has not been issued'],
    ['10.1', 66, 'no epoch after 9-q3f9'],
    ['3.1', 66, 'give the whole xid'],
    ['nonsense', 64, 'is not an xid'],
  ])('%s: exit %d', async (xid, code, text) => {
    const { exitCode, stdout, stderr } = await run(['tx', 'show', xid])
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' })
    expect(stderr).toContain(text)
  })
})

describe('status', () => {
  it('has the keys of the contract', async () => {
    const { exitCode, stdout } = await run(['status', '--json'])
    expect(exitCode).toBe(0)
    const keys = [
      'log_id',
      'epoch',
      'version',
      'uptime',
      'in_flight',
      'in_doubt',
      'oldest_in_doubt',
      'heuristics',
      'participants',
    ]
    expect(Object.keys(JSON.parse(stdout))).toEqual(expect.arrayContaining(keys))
  })

  it('is a fact a line when piped', async () => {
    Object.assign(daemon.status, {
      uptime: { seconds: 100n, nanos: 0 },
      committed: 1_050n,
      forcedWrites: 131n,
      inDoubt: 1,
      oldestInDoubt: { seconds: 74n, nanos: 0 },
      participants: [awayParticipant(now)],
    })
    const { stdout } = await run(['status'])
    expect(stdout.split('\n')).toEqual([
      `daemon\t0.1.0 at ${daemon.address}, up 100s`,
      'log\tk3f9qa7m2xw4, epoch 9-q3f9',
      'in flight\t0 transactions',
      'in doubt\t1 transaction, the oldest for 74s',
      'heuristics\tnone',
      'since start\t1,050 committed (11 a second), 0 aborted, 131 forced writes',
      'participants\t0 of 1 up; away: offsets',
      '',
    ])
  })
})

describe('participant list', () => {
  it('shows each with its state and its error', async () => {
    daemon.participants = [
      awayParticipant(now),
      ParticipantStatus.fromPartial({
        name: 'sink',
        kind: 'sqlite',
        link: ParticipantLink.DIALLED,
        up: true,
        state: ParticipantState.SETTLED,
        nextTryTime: new Date(now + 60_000),
      }),
    ]
    const { stdout } = await run(['participant', 'list'])
    expect(stdout.replace(/in \ds/, 'in Ns').split('\n')).toEqual([
      'NAME\tKIND\tLINK\tSTATE\tIN DOUBT\tOLDEST\tNEXT TRY\tLAST ERROR',
      'offsets\toffsets\tattached, down\tbacking off\t1\t74s\tin Ns\tconnection refused',
      'sink\tsqlite\tdialled, up\tsettled\t0\t-\t-\t-',
      '',
    ])
    const json = await run(['participant', 'list', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      participants: [{ name: 'offsets' }, { state: 'settled' }],
    })
  })

  it('tells branches of a log that lives from those that nobody ends', async () => {
    const foreign = (name: string, foreignBranches: number, foreignBranchesOfLivingLogs: number) =>
      ParticipantStatus.fromPartial({ name, foreignBranches, foreignBranchesOfLivingLogs })
    daemon.participants = [foreign('a', 3, 1), foreign('b', 2, 0), foreign('c', 0, 0)]
    const { stdout } = await run(['participant', 'list'])
    const column = stdout.split('\n').map((line) => line.split('\t')[6])
    expect(column).toEqual(['FOREIGN', '3, 1 of a living log', '2', '0', undefined])
  })
})

describe('check', () => {
  it.each([
    [10n, 0],
    [45n, 1],
    [74n, 2],
  ])('in doubt for %ds: exit %d', async (seconds, code) => {
    Object.assign(daemon.status, { inDoubt: 1, oldestInDoubt: { seconds, nanos: 0 } })
    expect(await run(['check'])).toMatchObject({ exitCode: code })
  })

  it('has a JSON form', async () => {
    const { exitCode, stdout } = await run(['check', '--format', 'json'])
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      level: 'ok',
      in_doubt: 0,
      oldest_in_doubt: null,
      heuristics: 0,
      message: '0 in doubt',
    })
    expect((await run(['check', '--json'])).stdout).toBe(stdout)
  })

  it('refuses thresholds that make no sense', async () => {
    expect(await run(['check', '--warning', '2m'])).toMatchObject({ exitCode: 64, stdout: '' })
  })

  it('is unknown where the daemon can not be reached', async () => {
    const { exitCode, stdout } = await runCli(['check', '--address', '127.0.0.1:1'])
    expect(exitCode).toBe(3)
    expect(stdout).toMatch(/^UNKNOWN can't reach the daemon at 127\.0\.0\.1:1 \(connection refused\)/)
  })
})

describe('a daemon that does not answer as it should', () => {
  it('is not there', async () => {
    const { exitCode, stderr } = await runCli(['status', '--address', '127.0.0.1:1'])
    expect(exitCode).toBe(69)
    expect(stderr).toBe(
      "pledged: can't reach the daemon at 127.0.0.1:1 (connection refused): is it running? start it with `pledged serve`, or name another with --address\n",
    )
  })

  it('is looked for where PLEDGED_ADDRESS says', async () => {
    const environment = { PLEDGED_ADDRESS: 'unix:/nowhere/pledged.sock' }
    const { exitCode, stderr } = await runCli(['status'], { environment })
    expect(exitCode).toBe(69)
    expect(stderr).toContain("can't reach the daemon at unix:/nowhere/pledged.sock (there is no such socket)")
  })

  it('is silent', async () => {
    daemon.silent = true
    const { exitCode, stderr } = await run(['status', '--timeout', '50ms'])
    expect(exitCode).toBe(69)
    expect(stderr).toContain('no answer within 50 ms')
  })

  it('refuses, in its own words', async () => {
    daemon.failure = new PledgedError('STARTING', 'the daemon is replaying its log: ask again in a moment')
    expect(await run(['status'])).toEqual({
      exitCode: 69,
      stdout: '',
      stderr: 'pledged: the daemon is replaying its log: ask again in a moment\n',
    })
  })

  it('is something else', async () => {
    const server = createServer((_request, response) => response.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { exitCode, stderr } = await runCli(['status', '--address', `127.0.0.1:${port}`, '--timeout', '2s'])
    server.close()
    expect(exitCode).toBe(69)
    expect(stderr).toContain(`can't reach the daemon at 127.0.0.1:${port}`)
  })

  it('is told as JSON, too', async () => {
    const { stdout, stderr } = await runCli(['status', '--address', '127.0.0.1:1', '--json'])
    expect(stdout).toBe('')
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'UNAVAILABLE', message: expect.stringContaining('connection refused') },
    })
  })
})

describe('mistakes on the command line', () => {
  it.each([
    ['bogus', "unknown command 'bogus'"],
    ['tx show', "missing required argument 'xid'"],
    ['status more', 'too many arguments'],
    ['tx list --limit 0', 'It takes a number from 1 to 100000'],
    ['tx list --state gone', 'A state is active, preparing'],
    ['tx list --older-than yesterday', '--older-than takes a duration'],
    ['tx list --participant A', 'A name has 1 to 32'],
    ['status --timeout 0s', 'has to be at least 1ms'],
    ['status --address nowhere', '--address is "nowhere": expected HOST:PORT'],
    ['serve --token-file x', 'serve takes neither --token-file nor --tls-'],
    ['--tls-ca x serve --check-config', 'serve takes neither --token-file nor --tls-'],
    ['serve --address 127.0.0.1:1', 'serve takes no --address'],
    ['demo --leave-in-doubt --naive', "option '--leave-in-doubt' cannot be used with option '--naive'"],
    ['demo --kills many', 'It takes a number'],
    ['demo --naive --databases', "option '--databases' cannot be used with option '--naive'"],
    ['participant serve oracle --name a --file b', 'Allowed choices are sqlite, offsets, postgres, mysql'],
    ['participant serve sqlite --name a', 'kind sqlite lives in a file: say which with --file'],
    ['participant serve offsets --name a --url-file b', 'kind offsets takes no --url-file: give --file'],
    ['participant serve postgres --name a --file b', 'kind postgres takes no --file: give --url-file'],
    ['participant serve sqlite --name a --file b --pool-size 3', 'kind sqlite takes no --pool-size'],
    ['participant serve offsets --name a --file b --statements-file c', 'takes no --statements-file'],
    ['participant serve sqlite --name a --file b --statements-file /no/such', "/no/such can't be read"],
    ['participant serve mysql --name a --url-file u.url --pool-size some', '--pool-size: "some" is not'],
    ['participant serve mysql --name a --url-file u.url --lock-timeout 1', '--lock-timeout: "1" is not a'],
    [
      'participant serve mysql --name a',
      'give --url-file, a file that has it, or set PLEDGED_PARTICIPANT_URL',
    ],
    [
      'participant serve sqlite --name a --file b --listen 127.0.0.1:1 --address 127.0.0.1:2',
      'attaches to the daemon at --address, or listens at --listen',
    ],
  ])('%s', async (line, text) => {
    const { exitCode, stdout, stderr } = await runCli(line.split(' '))
    expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' })
    expect(stderr).toContain(text)
    expect(stderr).toMatch(/^pledged: [^\n]+\n$/)
  })

  it.each([[[]], [['tx']], [['participant']], [['log']]])('%j shows what there is', async (args) => {
    const { exitCode, stdout, stderr } = await runCli(args)
    expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' })
    expect(stderr).toContain('Commands:')
  })
})

describe('help', () => {
  const commands = [
    'serve',
    'demo',
    'status',
    'check',
    'tx list',
    'tx show',
    'tx resolve',
    'tx retry',
    'tx acknowledge',
    'tx forget-branch',
    'diff',
    'audit',
    'participant list',
    'participant show',
    'participant pause',
    'participant resume',
    'participant serve',
    'log verify',
    'log dump',
    'log backup',
    'log restore',
  ]

  it.each(commands)('%s has an example, its exit codes and the global flags', async (command) => {
    const { exitCode, stdout } = await runCli([...command.split(' '), '--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Examples?:\n {2}pledged ${command}`, 'm'))
    expect(stdout).toMatch(/^Exit codes:\n {3}0 /m)
    expect(stdout).toContain('--address')
    for (const flag of ['--token-file', '--tls-ca', '--tls-cert', '--tls-key']) expect(stdout).toContain(flag)
  })

  it.each(commands)('%s is offered by what is above it', async (command) => {
    const words = command.split(' ')
    const { stdout } = await runCli([...words.slice(0, -1), '--help'])
    expect(stdout).toMatch(new RegExp(`^ {2}${words.at(-1)} `, 'm'))
  })

  it('knows its version', async () => {
    const { exitCode, stdout } = await runCli(['tx', 'list', '--version'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
