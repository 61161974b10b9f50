/** Which role may call which method. A method that isn't here is nobody's. */
import { PledgedError } from '../../base/errors.ts'
import type { Identity, Role } from '../../serving/index.ts'
import type { Caller } from './calls.ts'

const APPLICATION: readonly Role[] = ['application']
const PARTICIPANT: readonly Role[] = ['participant']
const OPERATOR: readonly Role[] = ['operator']
const ANY: readonly Role[] = ['application', 'participant', 'operator']

export const PERMISSIONS: Readonly<Record<string, readonly Role[]>> = {
  '/pledged.v1.TransactionService/ExecuteTransaction': APPLICATION,
  '/pledged.v1.TransactionService/BeginTransaction': APPLICATION,
  '/pledged.v1.TransactionService/CommitTransaction': APPLICATION,
  '/pledged.v1.TransactionService/AbortTransaction': APPLICATION,
  '/pledged.v1.TransactionService/GetTransaction': ['application', 'operator'],
  '/pledged.v1.TransactionService/OpenSession': APPLICATION,

  '/pledged.v1.ParticipantGatewayService/AttachParticipant': PARTICIPANT,

  '/pledged.v1.AdminService/GetStatus': OPERATOR,
  '/pledged.v1.AdminService/ListTransactions': OPERATOR,
  '/pledged.v1.AdminService/WatchTransactions': OPERATOR,
  '/pledged.v1.AdminService/ResolveTransaction': OPERATOR,
  '/pledged.v1.AdminService/RetryTransaction': OPERATOR,
  '/pledged.v1.AdminService/AcknowledgeTransaction': OPERATOR,
  '/pledged.v1.AdminService/ForgetBranch': OPERATOR,
  '/pledged.v1.AdminService/CompareBranches': OPERATOR,
  '/pledged.v1.AdminService/ListParticipants': OPERATOR,
  '/pledged.v1.AdminService/PauseParticipant': OPERATOR,
  '/pledged.v1.AdminService/ResumeParticipant': OPERATOR,
  '/pledged.v1.AdminService/ListAuditEvents': OPERATOR,
  '/pledged.v1.AdminService/SetLogLevel': OPERATOR,

  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': ANY,
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': ANY,
}

/** Throws PERMISSION_DENIED. */
export function requirePermission(identity: Identity, method: string): void {
  const roles = Object.hasOwn(PERMISSIONS, method) ? (PERMISSIONS[method] ?? []) : []
  if (roles.includes(identity.role)) return
  const name = method.slice(method.lastIndexOf('/') + 1)
  throw new PledgedError(
    'PERMISSION_DENIED',
    `${name} is for the role ${roles.length === 0 ? 'of nobody' : roles.join(' or ')}, and ${JSON.stringify(identity.name)} has the role ${identity.role}: call it with an identity of that role`,
  )
}

/** A participant that could take another one's name could vote, and forget, in its place. Throws PERMISSION_DENIED. */
export function requireOwnName(caller: Caller, participant: string): void {
  const own = caller.role === 'participant' ? caller.participant : undefined
  if (own === participant) return
  throw new PledgedError(
    'PERMISSION_DENIED',
    `the identity ${JSON.stringify(caller.name)} is bound to the participant "${own}", and attaches as "${participant}": attach under its own name, or with the identity of the other`,
  )
}
