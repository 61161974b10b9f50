import type { Command } from 'commander'
import { RetryTransactionResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { toJson, transactionFromProto } from '../../wire/index.ts'
import { XID_ARGUMENT } from '../arguments.ts'
import { EXIT } from '../exit-codes.ts'
import { describe, OPERATOR_EXIT_CODES } from '../help.ts'
import type { Register } from '../session.ts'
import { listed, oneLine } from '../text.ts'
import { stateText } from '../transaction-table.ts'
import { isAwaited } from '../words.ts'

export function addTransactionRetry(transactions: Command, register: Register): void {
  const command = describe(transactions.command('retry'), {
    summary: 'deliver a decision now, without waiting for the next try',
    description:
      'Delivery is automatic; this only makes it sooner, after a cause was removed. It decides nothing, and does no harm.',
    examples: ['pledged tx retry 7.1042'],
    exitCodes: {
      ...OPERATOR_EXIT_CODES,
      badNews: 'refused: there is nothing to deliver',
      noSuchThing: 'this log has issued no such xid, or lists it no more',
    },
  }).argument(...XID_ARGUMENT)
  register(command, async (session, _options, [xidText = '']) => {
    const xid = await session.xid(xidText)
    const answer = await session.ask((client) => client.retryTransaction({ xid }))
    if (session.settings.json) {
      session.printJson(toJson(RetryTransactionResponse, answer))
      return EXIT.done
    }
    if (answer.transaction === undefined) return EXIT.done
    const transaction = transactionFromProto(answer.transaction)
    const awaited = transaction.branches.filter(isAwaited).map(({ participant }) => oneLine(participant))
    const waits = awaited.length === 0 ? '' : `, asked again: ${listed(awaited)}`
    session.print([`${xid} ${stateText(transaction)}${waits}`])
    return EXIT.done
  })
}
