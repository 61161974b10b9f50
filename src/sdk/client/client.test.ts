import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CrashPoint } from '../../base/crash-points.ts'
import { PledgedError } from '../../base/errors.ts'
import { defaultLimits } from '../../base/limits.ts'
import { connect } from './connect.ts'
import { OutcomeUnknownError } from './outcome.ts'
import {
  answer,
  type ExecuteStep,
  type GetStep,
  getTold,
  refuse,
  refuseGet,
  ScriptedDaemon,
} from './test-daemon.ts'
import type { Branches } from './work.ts'

const daemons: ScriptedDaemon[] = []

async function daemonWith(steps: ExecuteStep[], getStep?: GetStep): Promise<ScriptedDaemon> {
  const daemon = new ScriptedDaemon({ steps, getStep })
  await daemon.start()
  daemons.push(daemon)
  return daemon
}

afterEach(() => {
  for (const daemon of daemons.splice(0)) daemon.kill()
})

let transportUnderTest: 'unary' | 'session' = 'session'
const limits = { ...defaultLimits, backoffMinMs: 1, backoffMaxMs: 20, connectTimeoutMs: 1_000 }
const branches: Branches = [{ participant: 'sink', work: { rows: 1 } }]

function clientOf({ address }: { address: string }, crash?: CrashPoint[]) {
  return connect({
    address,
    transport: transportUnderTest,
    timeoutMs: 10_000,
    limits,
    crashPoints: { pass: (point) => crash?.push(point) },
  })
}

/** The daemon dies with the request in its hands, and comes back. */
function dieAndReturn(): ExecuteStep {
  return async () => {
    const daemon = daemons.at(-1)
    daemon?.kill()
    await daemon?.start()
  }
}

describe.each(['unary', 'session'] as const)('over the transport %s', (transport) => {
  beforeEach(() => {
    transportUnderTest = transport
  })

  describe('execute', () => {
    it('sends the work as bytes under a drawn name, and returns committed', async () => {
      const daemon = await daemonWith([answer({ outcome: 'committed' })])
      const crash: CrashPoint[] = []
      await using coordinator = clientOf(daemon, crash)
      const executed = await coordinator.execute(
        [
          { participant: 'sink', work: { rows: [1, 'x', null] } },
          { participant: 'text', work: 'schön' },
          { participant: 'bytes', work: new Uint8Array([1, 2]) },
        ],
        { prepareTimeoutMs: 1_500, waitFor: 'completion' },
      )
      expect(executed).toMatchObject({ outcome: 'committed', complete: false, attempt: 1, replayed: false })
      expect(executed.xid).toBe('k3f9qa7m2xw4.7-q3f9.1')
      const request = daemon.executes[0]
      expect(request?.branches.map((branch) => new TextDecoder().decode(branch.work))).toEqual([
        '{"rows":[1,"x",null]}',
        'schön',
        '\u0001\u0002',
      ])
      expect(request?.requestId).toMatch(/^[0-9a-z]+(?:-[0-9a-z]{1,26})+$/)
      expect(request?.attempt).toBe(1)
      expect(Math.abs(Date.now() - (request?.firstSentTime?.getTime() ?? 0))).toBeLessThan(60_000)
      expect(request?.prepareTimeout).toEqual({ seconds: 1n, nanos: 500_000_000 })
      expect(request?.waitFor).toBe(2)
      expect(crash).toEqual(['application.execute.sent', 'application.execute.answered'])
    })

    it('says whether a committed transaction is complete', async () => {
      await using coordinator = clientOf(
        await daemonWith([answer({ outcome: 'committed', state: 'committed' })]),
      )
      expect(await coordinator.execute(branches)).toMatchObject({ outcome: 'committed', complete: true })
    })

    it('returns aborted with its cause, without trying again unless it is told to', async () => {
      const daemon = await daemonWith([answer({ outcome: 'aborted', retryable: true })])
      await using coordinator = clientOf(daemon)
      expect(await coordinator.execute(branches)).toMatchObject({
        outcome: 'aborted',
        cause: 'vote_no',
        message: 'sink: no such table',
        retryable: true,
      })
      expect(daemon.executes).toHaveLength(1)
    })

    it('tries a retryable abort again as the next attempt under the same name', async () => {
      const daemon = await daemonWith([
        answer({ outcome: 'aborted', retryable: true }),
        answer({ outcome: 'aborted', retryable: true }),
        answer({ outcome: 'committed' }),
      ])
      await using coordinator = clientOf(daemon)
      const executed = await coordinator.execute(branches, { requestId: 'order-1', attempt: 3, retries: 5 })
      expect(executed).toMatchObject({ outcome: 'committed', attempt: 5, requestId: 'order-1' })
      expect(daemon.executes.map((request) => [request.requestId, request.attempt])).toEqual([
        ['order-1', 3],
        ['order-1', 4],
        ['order-1', 5],
      ])
      const times = new Set(daemon.executes.map((request) => request.firstSentTime?.getTime()))
      expect(times.size).toBe(1)
    })

    it('does not retry an abort that is final, nor more often than told', async () => {
      const final = await daemonWith([answer({ outcome: 'aborted' })])
      await using first = clientOf(final)
      expect(await first.execute(branches, { retries: 3 })).toMatchObject({ outcome: 'aborted' })
      expect(final.executes).toHaveLength(1)
      const stubborn = await daemonWith([answer({ outcome: 'aborted', retryable: true })])
      await using second = clientOf(stubborn)
      expect(await second.execute(branches, { retries: 2 })).toMatchObject({ outcome: 'aborted', attempt: 3 })
      expect(stubborn.executes).toHaveLength(3)
    })

    it('throws at once what refuses the request', async () => {
      for (const code of [
        'UNKNOWN_PARTICIPANT',
        'INVALID_REQUEST',
        'LIMIT_REACHED',
        'REQUEST_TOO_OLD',
      ] as const) {
        const daemon = await daemonWith([refuse(code)])
        await using coordinator = clientOf(daemon)
        await expect(coordinator.execute(branches)).rejects.toMatchObject({
          code,
          message: `refused with ${code}`,
        })
        expect(daemon.executes).toHaveLength(1)
      }
    })

    it('waits out a daemon that starts or drains', async () => {
      const daemon = await daemonWith([
        refuse('STARTING'),
        refuse('DRAINING'),
        answer({ outcome: 'committed' }),
      ])
      await using coordinator = clientOf(daemon)
      expect(await coordinator.execute(branches)).toMatchObject({ outcome: 'committed' })
    })

    it('says why it was refused to the end, and does not send again when no time is left for an answer', async () => {
      const daemon = await daemonWith([refuse('DRAINING')])
      const clock = { monotonicMs: () => daemon.executes.length * 9_990, wallMs: () => Date.now() }
      await using coordinator = connect({
        address: daemon.address,
        transport,
        timeoutMs: 10_000,
        limits,
        clock,
      })
      await expect(coordinator.execute(branches)).rejects.toMatchObject({ code: 'DRAINING' })
      expect(daemon.executes).toHaveLength(1)
    })
  })

  describe('a lost answer', () => {
    it('is asked for again under the same name when the daemon is back', async () => {
      const daemon = await daemonWith([dieAndReturn(), answer({ outcome: 'committed' }, true)])
      await using coordinator = clientOf(daemon)
      const executed = await coordinator.execute(branches, { requestId: 'order-2' })
      expect(executed).toMatchObject({ outcome: 'committed', replayed: true })
      expect(daemon.executes).toHaveLength(2)
      expect(daemon.executes[1]).toEqual(daemon.executes[0])
    })

    it('is aborted only where the daemon says so', async () => {
      const daemon = await daemonWith([dieAndReturn(), answer({ outcome: 'aborted', sequence: 2 })])
      await using coordinator = clientOf(daemon)
      expect(await coordinator.execute(branches)).toMatchObject({ outcome: 'aborted', attempt: 1 })
    })

    it('is thrown as unknown when the time is over, with everything needed to ask again', async () => {
      const daemon = await daemonWith([() => daemon.kill()], getTold({ outcome: 'pending' }))
      await using coordinator = clientOf(daemon)
      await coordinator.get({ requestId: 'warm-up' })
      const error: unknown = await coordinator
        .execute(branches, { requestId: 'order-3', attempt: 2, timeoutMs: 300 })
        .catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(OutcomeUnknownError)
      expect(error).toBeInstanceOf(PledgedError)
      expect(error).toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        requestId: 'order-3',
        attempt: 2,
        xid: undefined,
      })
      expect((error as OutcomeUnknownError).firstSentTime).toEqual(daemon.executes[0]?.firstSentTime)
      expect((error as Error).message).toMatch(/"order-3" \(attempt 2\) is not known.*Ask again/s)
    })

    it('is thrown as unknown when the call runs into its deadline', async () => {
      const daemon = await daemonWith([() => {}], getTold({ outcome: 'pending' }))
      await using coordinator = clientOf(daemon)
      // Connected beforehand: the time is the call's alone.
      await coordinator.get({ requestId: 'warm-up' })
      await expect(coordinator.execute(branches, { timeoutMs: 150 })).rejects.toBeInstanceOf(
        OutcomeUnknownError,
      )
    })

    it('is asked for again where the log failed under the transaction', async () => {
      const daemon = await daemonWith([
        answer({ outcome: 'unknown', sequence: 7 }),
        refuse('LOG_UNWRITABLE'),
        answer({ outcome: 'committed', sequence: 8 }),
      ])
      await using coordinator = clientOf(daemon)
      expect(await coordinator.execute(branches)).toMatchObject({
        outcome: 'committed',
        xid: 'k3f9qa7m2xw4.7-q3f9.8',
      })
    })

    it('names the xid where an answer did', async () => {
      const controller = new AbortController()
      const steps: ExecuteStep[] = [answer({ outcome: 'unknown', sequence: 7 }), () => controller.abort()]
      await using coordinator = clientOf(await daemonWith(steps))
      await expect(coordinator.execute(branches, { signal: controller.signal })).rejects.toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        xid: 'k3f9qa7m2xw4.7-q3f9.7',
      })
    })

    it('stays unknown where a later try is refused: a refusal tells nothing of the earlier one', async () => {
      for (const code of ['REQUEST_TOO_OLD', 'UNKNOWN_PARTICIPANT', 'REQUEST_ID_REUSED'] as const) {
        const daemon = await daemonWith([dieAndReturn(), refuse(code)])
        await using coordinator = clientOf(daemon)
        const error: unknown = await coordinator.execute(branches).catch((caught: unknown) => caught)
        expect(error).toBeInstanceOf(OutcomeUnknownError)
        // It would be refused again, so it isn't asked again.
        expect(error).toMatchObject({ cause: { code } })
        expect(daemon.executes).toHaveLength(2)
      }
    })

    it('is asked for again, to the end, where a refusal may pass', async () => {
      const daemon = await daemonWith([dieAndReturn(), refuse('LIMIT_REACHED')])
      await using coordinator = clientOf(daemon)
      await expect(coordinator.execute(branches, { timeoutMs: 2_000 })).rejects.toBeInstanceOf(
        OutcomeUnknownError,
      )
      expect(daemon.executes.length).toBeGreaterThan(2)
    })

    it('is looked for where the daemon refuses to take the request again', async () => {
      const daemon = await daemonWith(
        [dieAndReturn(), refuse('DRAINING')],
        getTold({ outcome: 'committed', attempt: 9 }),
      )
      await using coordinator = clientOf(daemon)
      expect(await coordinator.execute(branches, { requestId: 'order-4' })).toMatchObject({
        outcome: 'committed',
        replayed: true,
      })
      expect(daemon.gets[0]?.key).toEqual({ $case: 'requestId', value: 'order-4' })
    })

    it('is not taken for the abort of another attempt', async () => {
      const daemon = await daemonWith(
        [dieAndReturn(), refuse('REQUEST_TOO_OLD')],
        getTold({ outcome: 'aborted', attempt: 1 }),
      )
      await using coordinator = clientOf(daemon)
      await expect(coordinator.execute(branches, { attempt: 2 })).rejects.toBeInstanceOf(OutcomeUnknownError)
    })
  })

  describe('a daemon that was never reached', () => {
    it('is UNAVAILABLE, with its address and what to do, not an unknown outcome', async () => {
      const daemon = await daemonWith([answer({ outcome: 'committed' })])
      daemon.kill()
      await using coordinator = clientOf(daemon)
      const error: unknown = await coordinator
        .execute(branches, { timeoutMs: 200 })
        .catch((caught: unknown) => caught)
      expect(error).not.toBeInstanceOf(OutcomeUnknownError)
      expect(error).toMatchObject({ code: 'UNAVAILABLE' })
      expect((error as Error).message).toContain(daemon.address)
      expect((error as Error).message).toContain('nothing was sent')
    })

    it('is waited for', async () => {
      const daemon = await daemonWith([answer({ outcome: 'committed' })])
      daemon.kill()
      await using coordinator = clientOf(daemon)
      const executed = coordinator.execute(branches)
      await new Promise((resolve) => setImmediate(resolve))
      await daemon.start()
      expect(await executed).toMatchObject({ outcome: 'committed' })
    })
  })

  describe('a caller that cancels', () => {
    it('gets its own reason where nothing was sent', async () => {
      const daemon = await daemonWith([answer({ outcome: 'committed' })])
      daemon.kill()
      await using coordinator = clientOf(daemon)
      const reason = new Error('changed my mind')
      await expect(coordinator.execute(branches, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      const later = new AbortController()
      const executed = coordinator.execute(branches, { signal: later.signal })
      later.abort(reason)
      await expect(executed).rejects.toBe(reason)
    })

    it('gets an unknown outcome where the request was on its way', async () => {
      const controller = new AbortController()
      await using coordinator = clientOf(await daemonWith([() => controller.abort(new Error('enough'))]))
      await expect(coordinator.execute(branches, { signal: controller.signal })).rejects.toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        cause: { message: 'enough' },
      })
    })

    it('ends its calls by closing the client', async () => {
      const arrived = Promise.withResolvers<void>()
      const coordinator = clientOf(await daemonWith([() => arrived.resolve()]))
      const executed = coordinator.execute(branches)
      await arrived.promise
      await coordinator.close()
      await expect(executed).rejects.toBeInstanceOf(OutcomeUnknownError)
      await expect(coordinator.execute(branches)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })
  })

  describe('get', () => {
    it('returns the transaction as it stands', async () => {
      const daemon = await daemonWith([], getTold({ outcome: 'pending', state: 'preparing' }))
      await using coordinator = clientOf(daemon)
      expect(await coordinator.get({ requestId: 'order-5' })).toMatchObject({
        state: 'preparing',
        outcome: 'pending',
        requestId: 'order-5',
      })
    })

    it('throws what the daemon says of an xid that it does not know', async () => {
      await using coordinator = clientOf(await daemonWith([], refuseGet('FOREIGN_XID')))
      await expect(coordinator.get({ xid: 'k3f9qa7m2xw4.7-q3f9.1' })).rejects.toMatchObject({
        code: 'FOREIGN_XID',
      })
    })

    it('is UNAVAILABLE where nobody answers within its time', async () => {
      const daemon = await daemonWith([])
      daemon.kill()
      await using coordinator = clientOf(daemon)
      await expect(coordinator.get({ requestId: 'x' }, { timeoutMs: 100 })).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      })
    })
  })
})
