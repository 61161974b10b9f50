/** Every request that is no good is refused with its reason and a sentence, and the daemon goes on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import {
  ExecuteTransactionRequest,
  GetTransactionRequest,
  TransactionServiceClient,
} from '../../src/wire/generated/pledged/v1/transaction_service.ts'
import { fromServiceError } from '../../src/wire/index.ts'
import { DaemonUnderTest, pledged } from '../harness/pledged.ts'

const directory = mkdtempSync(join(tmpdir(), 'pledged-bad-'))
const daemon = new DaemonUnderTest(directory, 'limits: { branches_per_transaction: 3, work_bytes: 1000 }')
const client = new TransactionServiceClient(daemon.address, credentials.createInsecure())

beforeAll(async () => {
  const sink = new DatabaseSync(join(directory, 'sink.db'))
  sink.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
  sink.close()
  await daemon.start()
})

afterAll(async () => {
  client.close()
  await daemon.end('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const branch = (participant: string, work: unknown = {}) => ({
  participant,
  work: new TextEncoder().encode(JSON.stringify(work)),
})
const insert = (id: number) => ({ statements: [{ sql: 'INSERT INTO t VALUES (?, ?)', params: [id, 'x'] }] })

type Partial = Parameters<typeof ExecuteTransactionRequest.fromPartial>[0]

/** The code and the sentence of a refusal; fails when the request is accepted. */
function refusal(request: Partial, deadlineMs?: number): Promise<{ code: string; message: string }> {
  return new Promise((resolve, reject) => {
    client.executeTransaction(
      ExecuteTransactionRequest.fromPartial(request),
      ...((deadlineMs === undefined ? [] : [{ deadline: Date.now() + deadlineMs }]) as []),
      ((error: ServiceError | null) => {
        if (error === null) reject(new Error('it was accepted'))
        else resolve(fromServiceError(error, daemon.address))
      }) as never,
    )
  })
}

function refusalOfGet(xid: string): Promise<{ code: string; message: string }> {
  return new Promise((resolve, reject) => {
    client.getTransaction(
      GetTransactionRequest.fromPartial({ key: { $case: 'xid', value: xid } }),
      (error) => {
        if (error === null) reject(new Error('it was found'))
        else resolve(fromServiceError(error, daemon.address))
      },
    )
  })
}

const cases: readonly { what: string; request: Partial; code: string; says: RegExp }[] = [
  {
    what: 'an unknown participant',
    request: { branches: [branch('sink'), branch('nobody')] },
    code: 'UNKNOWN_PARTICIPANT',
    says: /no participant "nobody".*offsets, sink/,
  },
  {
    what: 'a participant named twice',
    request: { branches: [branch('sink'), branch('sink')] },
    code: 'DUPLICATE_PARTICIPANT',
    says: /"sink" is named twice/,
  },
  { what: 'no branches', request: { branches: [] }, code: 'NO_BRANCHES', says: /no branches/ },
  {
    what: 'too many branches',
    request: { branches: ['a', 'b', 'c', 'd'].map((name) => branch(name)) },
    code: 'TOO_MANY_BRANCHES',
    says: /4 branches.*branches_per_transaction is 3/,
  },
  {
    what: 'work over the limit',
    request: { branches: [branch('sink', 'x'.repeat(1_000))] },
    code: 'WORK_TOO_LARGE',
    says: /1002 bytes.*work_bytes is 1000/,
  },
]

describe('a bad request', () => {
  it.each(cases)('$what: $code', async ({ request, code, says }) => {
    const refused = await refusal(request)
    expect(refused.code).toBe(code)
    expect(refused.message).toMatch(says)
    expect(refused.message).not.toMatch(/\n\s+at /)
  })

  it('a deadline already passed runs nothing', async () => {
    const { code } = await refusal({ branches: [branch('sink', insert(100))] }, -1_000)
    expect(code).toMatch(/DEADLINE_PASSED|OUTCOME_UNKNOWN|UNAVAILABLE/)
    await using coordinator = connect({ address: daemon.address })
    const after = await coordinator.execute([{ participant: 'sink', work: insert(100) }])
    expect(after.outcome).toBe('committed')
  })

  it.each([
    ['no JSON', 'not json'],
    ['no statements', '{}'],
    ['an unknown key', '{"statements": [], "extra": 1}'],
    ['a second statement', JSON.stringify({ statements: [{ sql: 'DELETE FROM t; DROP TABLE t' }] })],
    ['transaction control', JSON.stringify({ statements: [{ sql: 'COMMIT' }] })],
    ['a table that is not there', JSON.stringify({ statements: [{ sql: 'DELETE FROM nowhere' }] })],
  ])('malformed work, %s, is a no vote with the reason', async (_what, work) => {
    await using coordinator = connect({ address: daemon.address })
    const result = await coordinator.execute([{ participant: 'sink', work }])
    expect(result).toMatchObject({ outcome: 'aborted', cause: 'vote_no', retryable: false })
    expect(result.outcome === 'aborted' && result.message).toMatch(/participant "sink" voted no: \S+/)
  })

  it('another body under a used request_id is refused, the same body is answered as before', async () => {
    await using coordinator = connect({ address: daemon.address })
    const first = await coordinator.execute([{ participant: 'sink', work: insert(1) }], { requestId: 'used' })
    const again = await coordinator.execute([{ participant: 'sink', work: insert(1) }], { requestId: 'used' })
    expect(again.xid).toBe(first.xid)
    await expect(
      coordinator.execute([{ participant: 'sink', work: insert(2) }], { requestId: 'used' }),
    ).rejects.toMatchObject({ code: 'REQUEST_ID_REUSED' })
  })

  it.each([
    ['nonsense', 'MALFORMED_XID', 64],
    ['zzzzzzzzzzzz.1-aaaa.1', 'FOREIGN_XID', 66],
  ])('the xid %s: %s', async (xid, code, exit) => {
    expect((await refusalOfGet(xid)).code).toBe(code)
    const shown = await pledged(['tx', 'show', xid, '--address', daemon.address])
    expect(shown.code).toBe(exit)
    expect(shown.stderr).toContain(xid)
    expect(shown.stderr).not.toMatch(/\n\s+at /)
  })

  it('none of them harmed the daemon', async () => {
    expect(daemon.running).toBe(true)
    await using coordinator = connect({ address: daemon.address })
    const result = await coordinator.execute([{ participant: 'sink', work: insert(3) }])
    expect(result.outcome).toBe('committed')
    const check = await pledged(['check', '--address', daemon.address])
    expect({ code: check.code, stdout: check.stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^OK 0 in doubt/),
    })
  })
})
