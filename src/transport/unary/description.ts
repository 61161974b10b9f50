/** What a participant that listens says of itself, or what is taken for granted where it doesn't say. */
import { PledgedError } from '../../base/errors.ts'
import type { ParticipantIdentity } from '../../protocol/messages.ts'
import type { DescribeParticipantResponse } from '../../wire/generated/pledged/v1/participant_service.ts'
import type { ParticipantChannel } from './participant-channel.ts'

/** Characters of a kind and a resource id, as in a hello. */
const NAME_LENGTH_MAX = 256

/** Rejects with PledgedError: it can't be reached, isn't well, or says what can't be. */
export async function describeParticipant(
  name: string,
  channel: ParticipantChannel,
  timeoutMs: number,
): Promise<ParticipantIdentity> {
  // There is no process to be known by: whoever listens at the address is the participant.
  const identity = { name, instanceId: channel.address }
  try {
    const description = await channel.call<DescribeParticipantResponse>(
      (...rest) => channel.client.describeParticipant({}, ...rest),
      timeoutMs,
    ).response
    return { ...identity, ...checked(description, channel.address) }
  } catch (error) {
    if (!(error instanceof PledgedError) || error.code !== 'NOT_IMPLEMENTED') throw error
    return { ...identity, kind: 'grpc', resourceId: '', keepsWitnesses: false }
  }
}

function checked(
  { kind, resourceId, keepsWitnesses, onePhase }: DescribeParticipantResponse,
  address: string,
): Omit<ParticipantIdentity, 'name' | 'instanceId'> {
  for (const [field, text] of Object.entries({ kind, resource_id: resourceId })) {
    if (text.length <= NAME_LENGTH_MAX) continue
    throw mistaken(address, `${field} has ${text.length} characters: it may have ${NAME_LENGTH_MAX}`)
  }
  if (resourceId === '') {
    throw mistaken(
      address,
      'resource_id is empty: a resource needs a durable name, or DescribeParticipant has to be left out',
    )
  }
  if (onePhase && !keepsWitnesses) {
    throw mistaken(address, 'one_phase needs keeps_witnesses: a lost vote could be learned from nothing else')
  }
  const description = { kind: kind === '' ? 'grpc' : kind, resourceId, keepsWitnesses }
  return onePhase ? { ...description, onePhase } : description
}

function mistaken(address: string, what: string): PledgedError {
  return new PledgedError(
    'INVALID_REQUEST',
    `the participant at ${address} described itself wrongly: ${what}`,
  )
}
