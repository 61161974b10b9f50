/** The contract's own clients, for what the tests themselves want to know. */
import { credentials, type ServiceError } from '@grpc/grpc-js'
import {
  AdminServiceClient,
  type GetStatusResponse,
  ListTransactionsRequest,
} from '../../src/wire/generated/pledged/v1/admin_service.ts'
import { State } from '../../src/wire/generated/pledged/v1/transaction.ts'
import { TransactionServiceClient } from '../../src/wire/generated/pledged/v1/transaction_service.ts'

export class DaemonClient {
  readonly #admin: AdminServiceClient
  readonly #transactions: TransactionServiceClient

  constructor(address: string) {
    this.#admin = new AdminServiceClient(address, credentials.createInsecure())
    this.#transactions = new TransactionServiceClient(address, credentials.createInsecure())
  }

  status(): Promise<GetStatusResponse> {
    return asked((answered) => this.#admin.getStatus({}, answered))
  }

  /** Their owners may have asked for an hour. */
  async abortAllBegun(): Promise<void> {
    for (;;) {
      const request = ListTransactionsRequest.fromPartial({ states: [State.ACTIVE], pageSize: 1_000 })
      const { transactions } = await asked<{ transactions: { xid: string }[] }>((answered) =>
        this.#admin.listTransactions(request, answered),
      )
      if (transactions.length === 0) return
      await Promise.all(
        transactions.map(({ xid }) =>
          asked((answered) => this.#transactions.abortTransaction({ xid }, answered)),
        ),
      )
    }
  }

  close(): void {
    this.#admin.close()
    this.#transactions.close()
  }
}

function asked<Response>(
  call: (answered: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) resolve(response)
      else reject(error)
    })
  })
}
