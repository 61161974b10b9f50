/**
 * `pledged`: the application's client.
 *
 * ```ts
 * await using coordinator = connect()
 * const { outcome } = await coordinator.execute([{ participant: 'sink', work: { statements: [...] } }])
 * ```
 *
 * Committed and aborted are returned; an unknown outcome is thrown (OutcomeUnknownError). An aborted transaction
 * has changed nothing; a committed one will be whole, whatever crashes.
 */
export { type ErrorCode, PledgedError } from '../../base/errors.ts'
export type { ClientTls } from '../../dialling/index.ts'
export type { AbortCause } from '../../protocol/records.ts'
export type {
  BranchView,
  Outcome,
  TransactionState,
  TransactionView,
  WaitFor,
} from '../../protocol/requests.ts'
export { type ConnectOptions, connect } from './connect.ts'
export type {
  Coordinator,
  ExecuteOptions,
  GetOptions,
  OpenTransaction,
  Transacted,
  Transaction,
  TransactionKey,
  TransactionOptions,
} from './coordinator.ts'
export {
  type Aborted,
  type Committed,
  type Executed,
  OutcomeUnknownError,
  TransactionAbortedError,
} from './outcome.ts'
export type { BranchContext, BranchOpening, OpenBranch } from './transaction/branch.ts'
export type { Branch, Branches, JsonObject, JsonValue, Work } from './work.ts'
