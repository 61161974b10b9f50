import type { Command } from 'commander'
import { AcknowledgeTransactionResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { toJson } from '../../wire/index.ts'
import { requireReason, XID_ARGUMENT } from '../arguments.ts'
import { EXIT } from '../exit-codes.ts'
import { describe, OPERATOR_EXIT_CODES } from '../help.ts'
import type { Register } from '../session.ts'

export function addTransactionAcknowledge(transactions: Command, register: Register): void {
  const command = describe(transactions.command('acknowledge'), {
    summary: 'close a heuristic: a person has looked, and mended what was to be mended',
    description:
      '`pledged tx show` says which pledge was broken, and by what evidence. Pledged changes no data by this: it stops to report it. It is audited, and stays on the page of the transaction for as long as that is kept.',
    examples: ['pledged tx acknowledge 7.1042 --reason "row 17 inserted by hand, INC-31"'],
    exitCodes: {
      ...OPERATOR_EXIT_CODES,
      badNews: 'refused: it has no broken pledge that is not acknowledged',
      noSuchThing: 'this log has issued no such xid, or lists it no more',
    },
  }).argument(...XID_ARGUMENT)
  register(requireReason(command), async (session, { reason }: { reason: string }, [xidText = '']) => {
    const xid = await session.xid(xidText)
    const answer = await session.ask((client) => client.acknowledgeTransaction({ xid, reason }))
    if (session.settings.json) session.printJson(toJson(AcknowledgeTransactionResponse, answer))
    else session.print([`acknowledged: ${xid} is reported no more`])
    return EXIT.done
  })
}
