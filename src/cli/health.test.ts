import { describe, expect, it } from 'vitest'
import { GetStatusResponse } from '../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantState } from '../wire/generated/pledged/v1/participant.ts'
import { healthOf, nagiosLine } from './health.ts'

const thresholds = { warningMs: 30_000, criticalMs: 60_000 }

function lineOf(status: Parameters<typeof GetStatusResponse.fromPartial>[0]): string {
  return nagiosLine(healthOf(GetStatusResponse.fromPartial(status), thresholds), thresholds)
}

function inDoubtFor(seconds: bigint) {
  return {
    inDoubt: 1,
    oldestInDoubt: { seconds, nanos: 400_000_000 },
    participants: [{ name: 'sink' }, { name: 'offsets', inDoubt: 1 }],
  }
}

describe('the line of the monitor', () => {
  it('is short when all is well', () => {
    expect(lineOf({})).toBe('OK 0 in doubt')
  })

  it.each([
    [29n, 'OK 1 in doubt, oldest 29s (offsets) | in_doubt=1 oldest=29s;30;60'],
    [31n, 'WARNING 1 in doubt, oldest 31s (offsets) | in_doubt=1 oldest=31s;30;60'],
    [74n, 'CRITICAL 1 in doubt, oldest 74s (offsets) | in_doubt=1 oldest=74s;30;60'],
  ])('counts how long something is in doubt: %ds', (seconds, line) => {
    expect(lineOf(inDoubtFor(seconds))).toBe(line)
  })

  it('is critical for a broken pledge, however young the doubt', () => {
    expect(lineOf({ heuristics: 2 })).toBe(
      'CRITICAL 0 in doubt; 2 broken pledges | in_doubt=0 oldest=0s;30;60 heuristics=2',
    )
  })

  it('is critical for a log that failed, whose reason begins no figures', () => {
    const logFailure = { reason: 'LOG_UNWRITABLE', message: "can't be written:\ndisk | full", metadata: {} }
    expect(lineOf({ logFailure })).toBe("CRITICAL 0 in doubt; the log failed: can't be written: disk / full")
  })

  it('warns of what else needs a person', () => {
    const participants = [
      { name: 'a', state: ParticipantState.QUARANTINED },
      { name: 'b', foreignBranches: 3, foreignBranchesOfLivingLogs: 1 },
      { name: 'c', foreignBranches: 2, foreignBranchesOfLivingLogs: 2 },
    ]
    expect(lineOf({ participants })).toBe('WARNING 0 in doubt; quarantined: a; branches of other logs at b')
    expect(lineOf({ draining: true })).toBe('WARNING 0 in doubt; shutting down')
  })

  it('names a few', () => {
    const participants = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, inDoubt: 1 }))
    expect(lineOf({ inDoubt: 5, oldestInDoubt: { seconds: 1n, nanos: 0 }, participants })).toContain(
      '(a, b, c and 2 more)',
    )
  })
})
