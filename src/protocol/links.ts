/** Participants that come and go. A name is bound to one resource (R10); the newest link fences the older ones. */

import { decideAbort } from './deciding.ts'
import { notDelivered } from './delivering.ts'
import { askAgain, askedLost, lookFailed } from './holding.ts'
import type { ParticipantIdentity } from './messages.ts'
import { isHandedOver, participantLost, readOutcome } from './one-phase.ts'
import type { ParticipantState, Turn } from './state.ts'
import { newParticipant, participantOf } from './state.ts'

export function openLink(turn: Turn, identity: ParticipantIdentity, link: number): void {
  const { participants, limits } = turn.state
  const participant = participants.get(identity.name) ?? newParticipant(identity.name)
  if (!participants.has(identity.name) && participants.size >= limits.participantsMax) {
    const reason = `limits.participants (${limits.participantsMax}) is reached: attach under a name that is known, or raise it`
    dismiss(turn, participant, link, reason)
    signalDown(turn, participant, reason)
    return
  }
  participants.set(identity.name, participant)
  if (turn.state.barred) {
    // Each opening raises the epoch: whoever let this one in would take it for the newest, and lock the right log out.
    const reason = turn.state.failure?.message ?? ''
    dismiss(turn, participant, link, reason)
    signalDown(turn, participant, reason)
    return
  }
  if (isImpostor(participant, identity)) {
    const reason =
      `participant "${identity.name}" is bound to resource ${participant.resourceId}, and this is ` +
      `${identity.resourceId}: give the other resource a name of its own`
    dismiss(turn, participant, link, reason)
    turn.effects.push({ type: 'recovery', participant: identity.name, signal: { type: 'impostor', reason } })
    return
  }
  if (participant.admitting !== undefined) {
    dismiss(turn, participant, participant.admitting, 'a newer link of this participant replaced it')
  }
  const changed =
    !participant.known ||
    participant.kind !== identity.kind ||
    participant.keepsWitnesses !== identity.keepsWitnesses ||
    participant.resourceId !== identity.resourceId
  participant.kind = identity.kind
  participant.keepsWitnesses = identity.keepsWitnesses
  participant.onePhase = identity.onePhase === true
  if (identity.resourceId !== '') participant.resourceId = identity.resourceId
  participant.admitting = link
  if (changed) recordParticipant(turn, participant, link)
  else admitted(turn, participant.name, link)
}

function isImpostor(participant: ParticipantState, identity: ParticipantIdentity): boolean {
  return participant.known && participant.resourceId !== '' && participant.resourceId !== identity.resourceId
}

/** Who takes part must be in the log before its first prepare: forgetting waits for all of them (R9). */
function recordParticipant(turn: Turn, participant: ParticipantState, link: number): void {
  const { name, kind, resourceId, keepsWitnesses } = participant
  if (turn.state.failure !== undefined) {
    dismiss(turn, participant, link, turn.state.failure.message)
    closeLink(turn, name, link, turn.state.failure.message)
    return
  }
  turn.effects.push({
    type: 'append',
    records: [{ type: 'participant', name, kind, resourceId, keepsWitnesses, timeMs: turn.now.wallMs }],
    forced: true,
    token: { of: 'participant', name, link },
    then: [],
  })
}

export function admitted(turn: Turn, name: string, link: number): void {
  const participant = participantOf(turn, name)
  participant.known = true
  if (participant.admitting !== link) return
  participant.admitting = undefined
  if (participant.link !== undefined) {
    const older = participant.link
    dropLink(turn, participant, 'a newer link of this participant replaced it')
    dismiss(turn, participant, older, 'a newer link of this participant replaced it')
  }
  participant.link = link
  turn.effects.push({ type: 'welcome', participant: name, link })
  turn.effects.push({ type: 'recovery', participant: name, signal: { type: 'link_up' } })
  if (participant.pause === undefined) catchUp(turn, participant)
}

/** What has waited until it may be spoken to again. */
export function catchUp(turn: Turn, participant: ParticipantState): void {
  askAgain(turn, participant)
  for (const xid of participant.forgets.splice(0)) {
    turn.effects.push({ type: 'send', participant: participant.name, message: { type: 'forget', xid } })
  }
}

export function closeLink(turn: Turn, name: string, link: number, reason: string): void {
  const participant = turn.state.participants.get(name)
  if (participant === undefined) return
  if (participant.admitting === link) {
    participant.admitting = undefined
    if (participant.link === undefined) signalDown(turn, participant, reason)
  }
  if (participant.link !== link) return
  dropLink(turn, participant, reason)
  signalDown(turn, participant, reason)
}

/** Ends a link that is of no use, as if the participant had. */
export function cutLink(turn: Turn, participant: ParticipantState, reason: string): void {
  if (participant.link === undefined) return
  dismiss(turn, participant, participant.link, reason)
  closeLink(turn, participant.name, participant.link, reason)
}

/** Whoever was lost before an append was posted costs its transactions their commit; what was sent is sent again. */
function dropLink(turn: Turn, participant: ParticipantState, reason: string): void {
  participant.link = undefined
  participant.scan = undefined
  lookFailed(turn, participant, reason)
  for (const [xid, owed] of participant.owed) {
    notDelivered(turn, participant, owed, reason)
    participant.troubled.add(xid)
  }
  for (const transaction of participant.voting) {
    // Its record is on its way to the log: the answer finds the link gone.
    if (transaction.phase === 'handing_over') continue
    const lost = participantLost(participant.name, reason)
    if (isHandedOver(transaction)) readOutcome(turn, transaction, lost)
    else decideAbort(turn, transaction, lost)
  }
  askedLost(turn, participant.name)
}

function signalDown(turn: Turn, participant: ParticipantState, reason: string): void {
  turn.effects.push({
    type: 'recovery',
    participant: participant.name,
    signal: { type: 'link_down', reason },
  })
}

function dismiss(turn: Turn, participant: ParticipantState, link: number, reason: string): void {
  turn.effects.push({ type: 'dismiss', participant: participant.name, link, reason })
}
