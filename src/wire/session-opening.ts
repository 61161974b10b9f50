/** The messages that open an application's session. It closes with the same goodbye as a participant's stream. */
import { PledgedError } from '../base/errors.ts'
import { isEpoch, isLogId } from '../base/ids.ts'
import type { XidLease } from '../protocol/requests.ts'
import type { SessionAdmission, SessionGreeting } from '../protocol/session-messages.ts'
import { PROTOCOL_VERSION, requireProtocolVersion } from './attachment.ts'
import type * as proto from './generated/pledged/v1/transaction_service.ts'
import { boundedText } from './text.ts'

const CLIENT_ID = /^[\x20-\x7e]{0,64}$/
/** An xid's sequence has 15 digits at most. */
const SEQUENCE_MAX = 999_999_999_999_999n

export function greetingToProto(greeting: SessionGreeting): proto.SessionHello {
  return { ...greeting, protocolVersion: PROTOCOL_VERSION }
}

/** Throws INVALID_REQUEST with the field that is wrong. */
export function greetingFromProto(hello: proto.SessionHello): SessionGreeting {
  const { clientId, leaseSize, protocolVersion } = hello
  requireProtocolVersion(protocolVersion)
  if (!CLIENT_ID.test(clientId)) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `hello.client_id is ${JSON.stringify(boundedText(clientId))}: it may have at most 64 printable characters`,
    )
  }
  if (leaseSize < 0) {
    throw new PledgedError('INVALID_REQUEST', `hello.lease_size is ${leaseSize}: it has to be 0 or more`)
  }
  return { clientId, leaseSize }
}

export function admissionToProto(admission: SessionAdmission): proto.SessionWelcome {
  const { logId, epoch, callsMax, lease } = admission
  const { workBytesMax, batchBytesMax, messageBytesMax } = admission
  const limits = { workBytesMax, batchBytesMax, messageBytesMax }
  return { logId, epoch, limits, lease: leaseToProto(lease), callsMax }
}

/** Throws INVALID_REQUEST: what answered isn't a coordinator. */
export function admissionFromProto(welcome: proto.SessionWelcome): SessionAdmission {
  const { logId, epoch, limits, lease, callsMax } = welcome
  if (!isLogId(logId) || !isEpoch(epoch) || limits === undefined || lease === undefined || callsMax < 1) {
    throw new PledgedError(
      'INVALID_REQUEST',
      `the coordinator's welcome has no valid log_id, epoch, limits, lease and calls_max (log_id ` +
        `${JSON.stringify(logId)}, epoch ${JSON.stringify(epoch)}, calls_max ${callsMax})`,
    )
  }
  return { ...limits, logId, epoch, callsMax, lease: leaseFromProto(lease) }
}

export function leaseToProto(lease: XidLease): proto.XidLease {
  return { firstSequence: BigInt(lease.firstSequence), count: lease.count }
}

/** Throws INVALID_REQUEST where it names what can't be an xid. */
export function leaseFromProto(lease: proto.XidLease): XidLease {
  const { firstSequence, count } = lease
  const leasesNone = count === 0 && firstSequence >= 0n && firstSequence <= SEQUENCE_MAX
  const leasesXids = count >= 1 && firstSequence >= 1n && firstSequence + BigInt(count) - 1n <= SEQUENCE_MAX
  if (leasesNone || leasesXids) return { firstSequence: Number(firstSequence), count }
  throw new PledgedError(
    'INVALID_REQUEST',
    `the coordinator leased ${count} xids from sequence ${firstSequence}: there are no such xids`,
  )
}
