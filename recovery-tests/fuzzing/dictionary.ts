/** Values that a message needs to come further than its first check: names that are registered, xids of every standing. */
import fc from 'fast-check'
import type { Dictionary } from './hostile-messages.ts'

export interface Known {
  readonly participants: readonly string[]
  /** Of every standing: issued, ended, not issued, of other logs. */
  readonly xids: readonly string[]
}

const insert = (params: readonly unknown[]): string =>
  JSON.stringify({ statements: [{ sql: 'INSERT INTO t VALUES (?, ?)', params }] })

/** Good, bad and worse, for a sqlite participant and for offsets. */
const WORKS: readonly string[] = [
  insert([1, 'x']),
  insert([{ int64: '9223372036854775807' }, { float64: 1e308 }]),
  insert([{ int64: '9223372036854775808' }, null]),
  insert([{ base64: 'AA==' }, { int64: '1', float64: 1 }]),
  insert([1]),
  insert([1, '\ud800']),
  '{"statements":[{"sql":"INSERT INTO t VALUES (1e999, ?)","params":[1e999]}]}',
  '{"statements":[{"sql":"DELETE FROM t","expect_rows":9007199254740993}]}',
  '{"statements":[{"sql":"INSERT INTO t VALUES (random(), randomblob(200000))"}]}',
  '{"statements":[{"sql":"INSERT INTO t SELECT random(), zeroblob(2147483647)"}]}',
  '{"statements":[{"sql":"DELETE FROM pledged_witness"}]}',
  '{"statements":[{"sql":"DROP TABLE pledged_meta"}]}',
  '{"statements":[{"sql":"PRAGMA journal_mode = DELETE"}]}',
  '{"statements":[{"sql":"ATTACH \'/etc/passwd\' AS p"}]}',
  '{"statements":[{"sql":"VACUUM INTO \'/tmp/pledged-fuzzing-vacuum\'"}]}',
  '{"statements":[{"sql":"SELECT load_extension(\'x\')"}]}',
  '{"statements":[{"sql":"COMMIT"},{"sql":"BEGIN"}]}',
  '{"statements":[{"sql":"/* ; */ -- \\n ; SELECT 1"}]}',
  `{"statements":[{"sql":"SELECT ${'('.repeat(5_000)}1${')'.repeat(5_000)}"}]}`,
  `{"statements":[${Array.from({ length: 3_000 }, () => '{"sql":"SELECT 1"}').join(',')}]}`,
  '['.repeat(100_000),
  `${'{"statements":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  '{"statements":[],"__proto__":{"statements":[]}}',
  '{"constructor":{"prototype":{}}}',
  'null',
  '"\\u0000"',
  '',
  '{"group":"fuzz","owner_epoch":1,"advance":[{"topic":"t","partition":0,"from":0,"to":1}]}',
  '{"group":"fuzz","owner_epoch":1,"advance":[{"topic":"t","partition":0,"from":0,"to":-1}]}',
  '{"group":"fuzz","owner_epoch":9007199254740991,"advance":[{"topic":"u","partition":2147483648,"from":0,"to":9007199254740991}]}',
  '{"group":"fuzz","owner_epoch":1e400,"advance":[]}',
  '{"group":"\\u0000","owner_epoch":1,"advance":[{"topic":"","partition":0.5,"from":"0","to":null}]}',
]

const PAGE_TOKENS = ['', 'u1.1', 'e1.1', 'e999999999.9007199254740991', 'e999999999.9999999999999999', 'sink']

/** Above all small, so that calls end in time. */
const SECONDS = [0n, 1n, 2n, 60n, 3_600n, 1_790_000_000n] as const

export function dictionary({ participants, xids }: Known): Dictionary {
  const texts: Readonly<Record<string, readonly string[]>> = {
    xid: xids,
    xids,
    participant: participants,
    participants,
    branch: participants,
    name: ['fuzz-1', 'fuzz-2'],
    kind: ['fuzz'],
    instance_id: ['i-1', 'i-2'],
    resource_id: ['r-1', 'r-2'],
    request_id: ['r-1', 'r-2', 'r-3', 'x'.repeat(128)],
    page_token: PAGE_TOKENS,
    next_page_token: ['', '', '', 'next'],
    reason: ['because'],
    message: ['no', 'x'.repeat(5_000)],
  }
  return (_message, field) => {
    if (field === 'work') return fc.constantFrom(...WORKS)
    if (field === 'protocol_version') return fc.constant(1n)
    if (field === 'attempt') return fc.constantFrom(1n, 2n, 3n)
    if (field === 'seconds') return fc.constantFrom(...SECONDS)
    if (field === 'nanos') return fc.constantFrom(0n, 1n, 999_999_999n)
    if (field === 'page_size') return fc.constantFrom(0n, 1n, 2n, 1_000n)
    const known = texts[field]
    return known === undefined ? undefined : fc.constantFrom(...known)
  }
}

/** One xid of each standing. `logId` and `epoch` are the daemon's. */
export function xidsOfEveryStanding(logId: string, epoch: string): string[] {
  return [
    ...[1, 2, 3, 7].map((sequence) => `${logId}.${epoch}.${sequence}`),
    `${logId}.${epoch}.999999999999999`,
    `${logId}.999999999-zzzz.1`,
    `${logId}.1-zzzz.1`,
    'zzzzzzzzzzzz.1-aaaa.1',
    'zzzzzzzzzzzz.1-aaaa.2',
  ]
}
