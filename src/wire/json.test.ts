import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { transactionViews } from './arbitraries.ts'
import { GetStatusResponse } from './generated/pledged/v1/admin_service.ts'
import { BranchWork, Transaction } from './generated/pledged/v1/transaction.ts'
import { GetTransactionRequest } from './generated/pledged/v1/transaction_service.ts'
import { durationText, toJson } from './json.ts'
import { transactionToProto } from './transactions.ts'

const generated = new URL('./generated/pledged/v1/', import.meta.url)
const contract = new URL('../../proto/pledged/v1/', import.meta.url)

describe('toJson', () => {
  it('prints a transaction as the command line documents it', () => {
    const message = Transaction.fromPartial({
      xid: 'k3f9qa7m2xw4.7-q3f9.1042',
      state: 3,
      outcome: 2,
      abortMessage: 'STATE_COMMITTED',
      createTime: new Date(Date.UTC(2026, 10, 21, 14, 2, 11, 418)),
      branches: [
        {
          participant: 'sink',
          state: 9,
          vote: 1,
          pledgeTtl: { seconds: 3n, nanos: 0 },
          attempts: 2,
          evidence: 4,
        },
      ],
      timeline: [{ kind: 4 }],
    })
    expect(toJson(Transaction, message)).toEqual({
      xid: 'k3f9qa7m2xw4.7-q3f9.1042',
      state: 'committing',
      outcome: 'committed',
      abort_cause: null,
      abort_message: 'STATE_COMMITTED',
      abort_retryable: false,
      branches: [
        {
          participant: 'sink',
          state: 'heuristic_committed',
          vote: 'yes',
          vote_message: '',
          vote_retryable: false,
          pledge_ttl: '3s',
          attempts: 2,
          last_error: null,
          evidence: 'no_witness',
          cost: '',
        },
      ],
      heuristic: false,
      request_id: '',
      attempt: 0,
      create_time: '2026-11-21T14:02:11.418Z',
      decide_time: null,
      end_time: null,
      timeline: [{ time: null, participant: '', kind: 'append_posted', message: '' }],
      traceparent: '',
    })
  })

  it('prints 64-bit integers as strings, maps as they are, bytes as base64, a oneof as its field', () => {
    const status = toJson(
      GetStatusResponse,
      GetStatusResponse.fromPartial({
        uptime: { seconds: 90n, nanos: 5e8 },
        committed: (1n << 62n) + 1n,
        inFlight: 3,
        logFailure: { reason: 'LOG_UNWRITABLE', message: 'm', metadata: { someKey: 'v' } },
        participants: [{ name: 'sink', link: 2, state: 6, up: true }],
      }),
    )
    expect(status).toMatchObject({
      uptime: '90.5s',
      oldest_in_doubt: null,
      in_flight: 3,
      committed: '4611686018427387905',
      forced_writes: '0',
      log_failure: { reason: 'LOG_UNWRITABLE', metadata: { someKey: 'v' } },
      participants: [{ name: 'sink', link: 'dialled', state: 'backing_off', next_try_time: null }],
    })
    const work = BranchWork.fromPartial({ participant: 'sink', work: new Uint8Array([1, 2, 3]) })
    expect(toJson(BranchWork, work)).toEqual({ participant: 'sink', work: 'AQID' })
    const key = GetTransactionRequest.fromPartial({ key: { $case: 'requestId', value: 'r' } })
    expect(toJson(GetTransactionRequest, key)).toEqual({ request_id: 'r' })
  })

  it('knows a word for every value of every enum', async () => {
    const seen: string[] = []
    for (const file of readdirSync(generated)) {
      const module = (await import(new URL(file, generated).href)) as Record<string, unknown>
      for (const [name, values] of Object.entries(module)) {
        if (typeof values !== 'object' || values === null || !('UNRECOGNIZED' in values)) continue
        const nameOf = module[`${name[0]?.toLowerCase()}${name.slice(1)}ToJSON`] as (value: number) => string
        for (const [key, value] of Object.entries(values as Record<string, number>)) {
          const json = toJson({ toJSON: () => ({ field: nameOf(value) }) }, { field: value })
          expect(json).toEqual({ field: key === 'UNSPECIFIED' ? null : key.toLowerCase() })
        }
        seen.push(name)
      }
    }
    expect(seen).toContain('ParticipantState')
    expect(seen.length).toBeGreaterThanOrEqual(14)
  })

  it('is right that every map of the contract is called metadata', () => {
    const maps = readdirSync(contract)
      .flatMap((file) => readFileSync(new URL(file, contract), 'utf8').split('\n'))
      .filter((line) => /^\s*map</.test(line))
    expect(maps.length).toBeGreaterThan(0)
    for (const line of maps) expect(line).toMatch(/map<string, string> metadata =/)
  })

  it('prints any transaction as a document with the same keys', () => {
    const keys = Object.keys(toJson(Transaction, Transaction.create()) as object)
    fc.assert(
      fc.property(transactionViews, (view) => {
        const json = toJson(Transaction, transactionToProto(view)) as Record<string, unknown>
        expect(Object.keys(json)).toEqual(keys)
        expect(JSON.parse(JSON.stringify(json))).toEqual(json)
        expect([json['state'], json['outcome']]).toEqual([view.state, view.outcome])
        expect(json['abort_cause']).toBe(view.abortCause ?? null)
      }),
    )
  })

  it('prints durations as protobuf does', () => {
    expect(durationText({ seconds: 0n, nanos: 0 })).toBe('0s')
    expect(durationText({ seconds: 3n, nanos: 0 })).toBe('3s')
    expect(durationText({ seconds: 0n, nanos: 250_000_000 })).toBe('0.25s')
    expect(durationText({ seconds: -1n, nanos: -500_000_000 })).toBe('-1.5s')
    expect(durationText({ seconds: 0n, nanos: -1 })).toBe('-0.000000001s')
  })
})
