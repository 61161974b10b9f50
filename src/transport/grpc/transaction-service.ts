/** TransactionService over the TransactionApi port. */
import type { TransactionApi } from '../../protocol/requests.ts'
import type { Ready } from '../../serving/index.ts'
import type { TransactionServiceServer } from '../../wire/generated/pledged/v1/transaction_service.ts'
import {
  abortFromProto,
  beginFromProto,
  commitFromProto,
  executeFromProto,
  getFromProto,
  toStatus,
  transactionToProto,
} from '../../wire/index.ts'
import { refusalOfNewWork, refusalWhileStarting } from './admission.ts'
import { type Identify, notImplemented, unary } from './calls.ts'

export interface TransactionServiceOptions {
  readonly transactions: TransactionApi
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
      handle: async (request, facts) => {
        const answer = await transactions.get(getFromProto(request, facts))
        return { transaction: transactionToProto(answer.transaction) }
      },
    }),
    openSession: (call) => {
      const instead = 'use ExecuteTransaction, or BeginTransaction and CommitTransaction'
      call.emit('error', toStatus(notImplemented('OpenSession', instead)))
    },
  }
}
