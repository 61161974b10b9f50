/** TransactionService over the TransactionApi port, and the sessions' gateway. */
import type { TransactionApi } from '../../protocol/requests.ts'
import type { Ready } from '../../serving/index.ts'
import type { TransactionServiceServer } from '../../wire/generated/pledged/v1/transaction_service.ts'
import {
  abortFromProto,
  beginFromProto,
  commitFromProto,
  executeFromProto,
  getFromProto,
  transactionToProto,
} from '../../wire/index.ts'
import { refusalOfNewWork, refusalWhileStarting } from './admission.ts'
import { type Identify, unary } from './calls.ts'
import type { SessionGateway } from './session-gateway.ts'

export interface TransactionServiceOptions {
  readonly transactions: TransactionApi
  readonly sessions: SessionGateway
  readonly ready: Ready
  readonly identify: Identify
}

export function transactionService(options: TransactionServiceOptions): TransactionServiceServer {
  const { transactions, identify, ready } = options
  const newWork = { identify, refusal: () => refusalOfNewWork(ready) }
  const oldWork = { identify, refusal: () => refusalWhileStarting(ready) }
  return {
    executeTransaction: unary({
      ...newWork,
      handle: async (request, facts) => {
        const answer = await transactions.execute(executeFromProto(request, facts))
        return { transaction: transactionToProto(answer.transaction), replayed: answer.replayed }
      },
    }),
    beginTransaction: unary({
      ...newWork,
      handle: async (request, facts) => {
        const answer = await transactions.begin(beginFromProto(request, facts))
        return { transaction: transactionToProto(answer.transaction) }
      },
    }),
    commitTransaction: unary({
      ...oldWork,
      handle: async (request, facts) => {
        const answer = await transactions.commit(commitFromProto(request, facts))
        return { transaction: transactionToProto(answer.transaction), replayed: answer.replayed }
      },
    }),
    abortTransaction: unary({
      ...oldWork,
      handle: async (request, facts) => {
        const answer = await transactions.abort(abortFromProto(request, facts))
        return { transaction: transactionToProto(answer.transaction) }
      },
    }),
    getTransaction: unary({
      ...oldWork,
      handle: async (request, facts, { role }) => {
        const asked = getFromProto(request, facts)
        const ofAnyone = 'xid' in asked && role === 'operator'
        const answer = await transactions.get(ofAnyone ? { ...asked, anyOwner: true } : asked)
        return { transaction: transactionToProto(answer.transaction) }
      },
    }),
    openSession: (stream) => options.sessions.serve(stream),
  }
}
