import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { defaultLimits } from '../base/limits.ts'
import { type Configuration, checkConfiguration } from './configuration.ts'
import type { DaemonOptions, Environment } from './options.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-configuration-'))
  file = join(folder, 'pledged.yaml')
})

afterEach(() => rmSync(folder, { recursive: true }))

function check(text: string, env: Environment = {}, options: DaemonOptions = {}): Configuration {
  writeFileSync(file, text)
  return checkConfiguration({ configFile: file, ...options }, env)
}

/** The mistakes that are told, without the folder. */
function mistakes(text: string, env: Environment = {}, options: DaemonOptions = {}): string[] {
  try {
    check(text, env, options)
  } catch (error) {
    expect(error).toBeInstanceOf(PledgedError)
    expect((error as PledgedError).code).toBe('CONFIGURATION')
    const [heading, ...lines] = (error as PledgedError).message.split('\n')
    expect(heading).toBe(
      lines.length === 1
        ? 'the configuration has a mistake:'
        : `the configuration has ${lines.length} mistakes:`,
    )
    return lines.map((line) => line.trim().replaceAll(`${folder}/`, ''))
  }
  throw new Error('no mistake was found')
}

describe('what is right', () => {
  it('has defaults for everything', () => {
    expect(checkConfiguration({}, {})).toEqual({
      configFile: undefined,
      listen: { kind: 'tcp', host: '127.0.0.1', port: 7420 },
      httpListen: { kind: 'tcp', host: '127.0.0.1', port: 7421 },
      dataDirectory: resolve('pledged-data'),
      limits: defaultLimits,
      logLevel: 'info',
      security: {},
      participants: [],
      warnings: [],
    })
    expect(check('').limits).toEqual(defaultLimits)
    expect(check('# nothing but a comment\n').participants).toEqual([])
  })

  it('reads every key of the file, paths relative to its folder', () => {
    const read = check(`
listen: unix:run/pledged.sock
http_listen: "[::1]:0"
data_dir: ./data
limits: { transactions_in_flight: 10, branches_per_transaction: 4, work_bytes: 1000, message_bytes: 3000000, sessions: 5, participants: 6, connections: 7 }
timeouts: { prepare: 500ms, idle: 1m30s, drain: 0ms, orphan_grace: 1h2m3s4ms }
retention: 24h
participants:
  - { name: sink, kind: sqlite, file: ./sink.db, statements: { add: INSERT INTO t VALUES (?) } }
  - { name: offsets, kind: offsets, file: /var/lib/offsets.db }
`)
    expect(read).toEqual({
      configFile: file,
      listen: { kind: 'unix', path: join(folder, 'run/pledged.sock') },
      httpListen: { kind: 'tcp', host: '::1', port: 0 },
      dataDirectory: join(folder, 'data'),
      limits: {
        ...defaultLimits,
        transactionsInFlightMax: 10,
        branchesPerTransactionMax: 4,
        workBytesMax: 1000,
        messageBytesMax: 3_000_000,
        sessionsMax: 5,
        participantsMax: 6,
        connectionsMax: 7,
        prepareTimeoutMs: 500,
        idleTimeoutMs: 90_000,
        drainTimeoutMs: 0,
        orphanGraceMs: 3_723_004,
        retentionMs: 86_400_000,
      },
      logLevel: 'info',
      security: {},
      participants: [
        {
          name: 'sink',
          kind: 'sqlite',
          file: join(folder, 'sink.db'),
          statements: { add: 'INSERT INTO t VALUES (?)' },
        },
        { name: 'offsets', kind: 'offsets', file: '/var/lib/offsets.db' },
      ],
      warnings: [],
    })
  })

  it('puts flags over the environment, and both over the file', () => {
    const text = 'listen: 127.0.0.1:1\nhttp_listen: 127.0.0.1:2\ndata_dir: a\ntimeouts: { prepare: 1s }\n'
    const env = { PLEDGED_HTTP_LISTEN: '127.0.0.1:22', PLEDGED_DATA_DIR: 'b', PLEDGED_TIMEOUTS_PREPARE: '2s' }
    const read = check(text, env, { dataDir: 'c' })
    expect(read.listen).toMatchObject({ port: 1 })
    expect(read.httpListen).toMatchObject({ port: 22 })
    expect(read.dataDirectory).toBe(resolve('c'))
    expect(read.limits.prepareTimeoutMs).toBe(2_000)
    expect(check(text, { ...env, PLEDGED_DATA_DIR: '' }).dataDirectory).toBe(join(folder, 'a'))
  })

  it('finds the file by PLEDGED_CONFIG, and the flag over it', () => {
    writeFileSync(file, 'retention: 1h')
    const other = join(folder, 'other.yaml')
    writeFileSync(other, 'retention: 2h')
    const env = { PLEDGED_CONFIG: other }
    expect(checkConfiguration({}, env).limits.retentionMs).toBe(7_200_000)
    expect(checkConfiguration({ configFile: file }, env).limits.retentionMs).toBe(3_600_000)
  })

  it('fills in variables, also in numbers, and leaves $${} alone', () => {
    const env = { DISK: '/disk', MANY: '12' }
    const read = check(
      'data_dir: ${DISK}/log\nlimits: { transactions_in_flight: "${MANY}" }\n' +
        'participants: [ { name: a, kind: offsets, file: "/$${DISK}" } ]\n',
      env,
    )
    expect(read.dataDirectory).toBe('/disk/log')
    expect(read.limits.transactionsInFlightMax).toBe(12)
    expect(read.participants[0]).toEqual({ name: 'a', kind: 'offsets', file: '/${DISK}' })
  })

  it('listens on other addresses with --insecure or its variable', () => {
    expect(check('listen: 0.0.0.0:7420', {}, { insecure: true }).listen).toMatchObject({ host: '0.0.0.0' })
    expect(check('listen: db.example:7420', { PLEDGED_INSECURE: '1' }).listen).toMatchObject({
      host: 'db.example',
    })
    expect(check('listen: localhost:7420').listen).toMatchObject({ host: 'localhost' })
  })
})

describe('mistakes', () => {
  it('are all named, each with its path and line', () => {
    expect(
      mistakes(`listen: 127.0.0.1:7420
timeouts:
  prepare: 10
  idel: 60s
participants:
  - name: Sink
    kind: sqlite
    file: ./sink.db
  - { name: offsets, kind: offsets }
`),
    ).toEqual([
      'pledged.yaml:3 timeouts.prepare: 10 is not a duration: write it as 500ms, 10s, 1m30s or 24h',
      'pledged.yaml:4 timeouts.idel: is not a key that is known here; known are prepare, idle, drain, orphan_grace',
      `pledged.yaml:6 participants[0].name: "Sink" is not a name: write 1 to 32 of a-z, 0-9 and '-', not starting with '-'`,
      'pledged.yaml:9 participants[1].file: is missing',
    ])
  })

  it('are told of flags, environment and file together', () => {
    const env = { PLEDGED_RETENTION: 'soon', PLEDGED_LOG_LEVEL: 'loud', PLEDGED_INSECURE: 'yes' }
    expect(mistakes('data_dir:\n', env, { listen: 'here' })).toEqual([
      '--listen: "here" is not an address: write HOST:PORT (a port is 0 to 65535) or unix:PATH',
      'PLEDGED_RETENTION: "soon" is not a duration: write it as 500ms, 10s, 1m30s or 24h',
      'PLEDGED_LOG_LEVEL: "loud" is none of trace, debug, info, warn, error',
      'pledged.yaml:1 data_dir: is empty: give it a value, or take the key out',
    ])
  })

  it.each([
    ['listen: [1]', 'pledged.yaml:1 listen: a list is not a text'],
    ['listen: localhost:70000', /"localhost:70000" is not an address/],
    ['listen: "unix:"', /names no socket/],
    [`listen: unix:/${'x'.repeat(120)}`, /has 121 bytes; the system takes at most 103/],
    ['\nlimits: 3', 'pledged.yaml:2 limits: has to be a mapping'],
    ['participants: {}', 'pledged.yaml:1 participants: has to be a list'],
    ['- a', 'pledged.yaml:1: has to be a mapping'],
    ['limits: { work_bytes: 0 }', /limits.work_bytes: 0 is out of range: 1 to /],
    ['limits: { message_bytes: 1048576 }', /limits.message_bytes: 1048576 is out of range: 2162688 to /],
    ['limits: { connections: 0 }', /limits.connections: 0 is out of range: 1 to /],
    ['limits: { work_bytes: 1.5 }', /1.5 is not a whole number/],
    ['timeouts: { prepare: 2h }', /timeouts.prepare: "2h" is out of range: 1ms to 1h/],
    ['retention: 24', /24 is not a duration/],
    ['retention: 1.5h', /"1.5h" is not a duration/],
    ['a: 1\na: 2', /pledged.yaml:2: is not YAML that can be read: Map keys must be unique/],
    ['listen: "', /pledged.yaml:\d: is not YAML that can be read/],
  ])('%s', (text, told) => {
    expect(mistakes(text)).toEqual([typeof told === 'string' ? told : expect.stringMatching(told)])
  })

  it.each([
    // One space too many, and the parser would quote the rest of the file, token by token.
    ' retention: 24h\nparticipants: [ { name: a, kind: postgres, url: "postgres://u:hunter2@h/d" } ]',
    'listen: "postgres://u:hunter2@h/d"',
    `listen: "postgres://u:hunter2${'x'.repeat(100)}@h/d"`,
    '"postgres://u:hunter2@h/d": 1',
    'participants: [ { name: a, kind: postgres, "postgres://u:hunter2@h/d" } ]',
    'participants: [ { name: "postgres://u:hunter2@h/d", kind: postgres } ]',
    'participants: [ { name: a, kind: "postgres://u:hunter2@h/d" } ]',
  ])('no mistake tells a password: %s', (text) => {
    const told = mistakes(text).join('\n')
    expect(told).not.toContain('hunter2')
    expect(told).toContain('pledged.yaml')
  })

  it('are statements that can not be taken', () => {
    expect(
      mistakes(`participants:
  - name: sink
    kind: sqlite
    file: a
    statements:
      add: BEGIN
  - { name: b, kind: offsets, file: b, statements: { add: SELECT 1 } }
  - { name: c, kind: sqlite, file: c, statements: [ SELECT 1 ] }
`),
    ).toEqual([
      expect.stringMatching(/^pledged.yaml:5 participants\[0\].statements: statement "add" /),
      'pledged.yaml:7 participants[1].statements: is not a key of a participant of kind offsets; those are name, kind, file',
      expect.stringMatching(/^pledged.yaml:8 participants\[2\].statements: a list is not a mapping/),
    ])
  })

  it('are variables that are not there, told once each', () => {
    expect(mistakes('retention: ${KEEP}\ndata_dir: "${A}/${B}"', { A: 'a' })).toEqual([
      'pledged.yaml:1 retention: the environment has no variable KEEP',
      'pledged.yaml:2 data_dir: the environment has no variable B',
    ])
  })

  it('are two participants of one name, or of one file by whatever path', () => {
    mkdirSync(join(folder, 'real'))
    symlinkSync(join(folder, 'real'), join(folder, 'link'))
    writeFileSync(join(folder, 'hard-1'), '')
    linkSync(join(folder, 'hard-1'), join(folder, 'hard-2'))
    expect(
      mistakes(`participants:
  - { name: a, kind: sqlite, file: real/not-yet/x.db }
  - { name: a, kind: sqlite, file: link/not-yet/x.db }
  - { name: b, kind: offsets, file: hard-1 }
  - { name: c, kind: offsets, file: hard-2 }
`),
    ).toEqual([
      'pledged.yaml:3 participants[1].name: "a" is the name of participants[0] too: a name stands for one resource',
      'pledged.yaml:3 participants[1].file: link/not-yet/x.db is the file of participants[0] too: one participant serves one file',
      'pledged.yaml:5 participants[3].file: hard-2 is the file of participants[2] too: one participant serves one file',
    ])
  })

  it('are files of the log, wherever the data directory comes from', () => {
    const text = 'participants: [ { name: a, kind: offsets, file: data/pledged.db } ]'
    expect(mistakes(text, { PLEDGED_DATA_DIR: join(folder, 'data') })).toEqual([
      'pledged.yaml:1 participants[0].file: data/pledged.db belongs to the log: choose another file',
    ])
    expect(check(text).participants).toHaveLength(1)
  })

  it('are addresses that others can reach, and one address for both', () => {
    expect(mistakes('listen: 0.0.0.0:7420\nhttp_listen: "[::]:7421"')).toEqual([
      expect.stringMatching(
        /^pledged.yaml:1 listen: 0.0.0.0:7420 can be reached from other machines.*--insecure$/,
      ),
      expect.stringMatching(/^pledged.yaml:2 http_listen: \[::\]:7421 can be reached/),
    ])
    expect(mistakes('listen: 127.0.0.1:7\nhttp_listen: 127.0.0.1:7')).toEqual([
      expect.stringMatching(/^pledged.yaml:2 http_listen: 127.0.0.1:7 is the address of listen/),
    ])
  })

  it('are files that are not there', () => {
    expect(() => checkConfiguration({ configFile: join(folder, 'none.yaml') }, {})).toThrowError(
      /none.yaml: the configuration file can not be read: ENOENT/,
    )
    expect(() => checkConfiguration({ configFile: folder }, {})).toThrowError(/can not be read: EISDIR/)
  })
})
