/** The messages that open and close a participant's stream. */
import { PledgedError } from '../base/errors.ts'
import type { Epoch, LogId } from '../base/ids.ts'
import { isEpoch, isLogId, isParticipantName } from '../base/ids.ts'
import type { ParticipantIdentity } from '../protocol/messages.ts'
import type { Hello, Welcome } from './generated/pledged/v1/participant_gateway_service.ts'
import type { Goodbye } from './generated/pledged/v1/stream.ts'
import { boundedText } from './text.ts'
import { fromOptionalDuration, toOptionalDuration } from './time.ts'

/** The one version of the streams' protocol. Additions that an older end may ignore don't raise it. */
export const PROTOCOL_VERSION = 1

/** Characters of a kind, an instance id and a resource id. */
const NAME_LENGTH_MAX = 256

/** What a participant learns at its admission. */
export interface Admission {
  readonly logId: LogId
  readonly epoch: Epoch
  readonly workBytesMax: number
  /** 0: not said. */
  readonly batchBytesMax: number
}

export function helloToProto(identity: ParticipantIdentity): Hello {
  return { ...identity, onePhase: identity.onePhase ?? false, protocolVersion: PROTOCOL_VERSION }
}

/** Throws INVALID_REQUEST with the field that is wrong. */
export function helloFromProto(hello: Hello): ParticipantIdentity {
  const { name, kind, instanceId, resourceId, keepsWitnesses, onePhase, protocolVersion } = hello
  requireProtocolVersion(protocolVersion)
  if (!isParticipantName(name)) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `hello.name is ${JSON.stringify(boundedText(name))}: a participant is named by 1 to 32 of a-z, 0-9 and '-'`,
    )
  }
  requireName('kind', kind)
  requireName('instance_id', instanceId)
  requireName('resource_id', resourceId)
  const identity = { name, kind, instanceId, resourceId, keepsWitnesses }
  return onePhase ? { ...identity, onePhase } : identity
}

/** Of either stream's hello. */
export function requireProtocolVersion(protocolVersion: number): void {
  if (protocolVersion === PROTOCOL_VERSION) return
  throw new PledgedError(
    'INVALID_REQUEST',
    `hello.protocol_version is ${protocolVersion}; this daemon speaks ${PROTOCOL_VERSION}`,
  )
}

function requireName(field: string, value: string): void {
  if (value.length >= 1 && value.length <= NAME_LENGTH_MAX) return
  throw new PledgedError(
    'INVALID_REQUEST',
    `hello.${field} has ${value.length} characters: it has to have 1 to ${NAME_LENGTH_MAX}`,
  )
}

export function welcomeToProto(admission: Admission): Welcome {
  const { logId, epoch, workBytesMax, batchBytesMax } = admission
  return { logId, epoch, limits: { workBytesMax, batchBytesMax, messageBytesMax: 0 } }
}

/** Throws INVALID_REQUEST: what answered isn't a coordinator. */
export function welcomeFromProto(welcome: Welcome): Admission {
  const { logId, epoch, limits } = welcome
  if (!isLogId(logId) || !isEpoch(epoch) || limits === undefined) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `the coordinator's welcome has no valid log_id, epoch and limits (log_id ${JSON.stringify(logId)}, ` +
        `epoch ${JSON.stringify(epoch)})`,
    )
  }
  return { logId, epoch, workBytesMax: limits.workBytesMax, batchBytesMax: limits.batchBytesMax }
}

export interface Farewell {
  readonly reason: string
  readonly retryAfterMs?: number | undefined
}

export function goodbyeToProto(farewell: Farewell): Goodbye {
  return { reason: boundedText(farewell.reason), retryAfter: toOptionalDuration(farewell.retryAfterMs) }
}

export function goodbyeFromProto(goodbye: Goodbye): Farewell {
  return {
    reason: boundedText(goodbye.reason),
    retryAfterMs: fromOptionalDuration('goodbye.retry_after', goodbye.retryAfter),
  }
}
