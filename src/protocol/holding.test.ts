/** What a participant brings is bounded: one that is broken, or hostile, must not bring down the coordinator of others. */
import { describe, expect, it } from 'vitest'
import type { Epoch, LogId, Xid } from '../base/ids.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import type { ParticipantMessage } from './messages.ts'
import { emptyState, newParticipant } from './state.ts'
import { step } from './step.ts'

const NOW = { monotonicMs: 1_000, wallMs: 1_000_000 }

/** A participant on a link, whose first scan has begun. */
function scanning(limits: Partial<Limits> = {}) {
  const replay = {
    logId: 'k3f9qa7m2xw4' as LogId,
    epoch: '7-q3f9' as Epoch,
    epochs: ['7-q3f9' as Epoch],
    unended: [],
    handedOver: [],
    heuristics: [],
    branchesForgotten: [],
    pauses: [],
    audit: [],
    participants: [],
    keepsRequests: false,
  }
  const state = emptyState(replay, { ...defaultLimits, ...limits })
  const participant = { ...newParticipant('sink'), known: true, link: 1 }
  state.participants.set('sink', participant)
  step(state, NOW, { type: 'scan', participant: 'sink' })
  const receive = (message: ParticipantMessage) =>
    step(state, NOW, { type: 'message', participant: 'sink', link: 1, message })
  return { state, participant, receive }
}

const foreign = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ xid: `zzzzzzzzzzzz.1-aaaa.${index + 1}`, prepareTimeMs: 0 }))

describe('what a participant holds', () => {
  it('may fill a page beyond what a call takes as arguments', () => {
    const { participant, receive } = scanning({ foreignBranchesMax: 1_000_000 })
    receive({ type: 'held', branches: foreign(300_000), nextPageToken: '' })
    expect(participant.foreign).toHaveLength(300_000)
  })

  it('fails the scan beyond the bytes that one may have, however many pages they come in', () => {
    const { participant, receive } = scanning({ scanBytesMax: 10_000 })
    const page = { type: 'held', branches: foreign(60), nextPageToken: 'more' } as const
    expect(receive(page)).toMatchObject([
      { type: 'send', message: { type: 'list_prepared', pageToken: 'more' } },
    ])
    expect(receive(page)).toMatchObject([
      {
        type: 'recovery',
        signal: { type: 'scan_failed', reason: expect.stringMatching(/more than the 10000 bytes/) },
      },
    ])
    expect(participant.scan).toBeUndefined()
  })

  it('belongs to as many participants as there may be, and to no other', () => {
    const { state } = scanning({ participantsMax: 1 })
    const identity = { name: 'late', kind: 'x', instanceId: 'i', resourceId: 'r', keepsWitnesses: false }
    expect(step(state, NOW, { type: 'link_opened', identity, link: 2 })).toEqual([
      {
        type: 'dismiss',
        participant: 'late',
        link: 2,
        reason: expect.stringMatching(/^limits\.participants \(1\) is reached/),
      },
      { type: 'recovery', participant: 'late', signal: { type: 'link_down', reason: expect.anything() } },
    ])
    expect(state.participants.has('late')).toBe(false)
    const known = { ...identity, name: 'sink', resourceId: '' }
    expect(step(state, NOW, { type: 'link_opened', identity: known, link: 3 })).not.toHaveLength(0)
    expect(state.participants.get('sink')?.admitting).toBe(3)
  })

  it('is counted up to a bound, also where votes name it', () => {
    const { participant, receive } = scanning({ foreignBranchesMax: 3 })
    for (const { xid } of foreign(5)) receive({ type: 'vote', xid: xid as Xid, vote: { vote: 'yes' } })
    expect(participant.foreign).toHaveLength(3)
  })
})
