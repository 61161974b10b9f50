import type { Command } from 'commander'
import { Outcome, Transaction } from '../../wire/generated/pledged/v1/transaction.ts'
import { toJson, transactionFromProto } from '../../wire/index.ts'
import { XID_ARGUMENT } from '../arguments.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import { byName } from '../message-values.ts'
import type { Register } from '../session.ts'
import { renderTransaction } from '../transaction-page.ts'
import { parseXidArgument, resolveXid } from '../xid-argument.ts'

export function addTransactionShow(transactions: Command, register: Register): void {
  const command = describe(transactions.command('show'), {
    summary: 'one transaction: decision, branches, votes, why it waits, what to do, timeline',
    examples: ['pledged tx show 7.1042', 'pledged tx show k3f9qa7m2xw4.7-q3f9.1042 --json'],
    exitCodes: {
      ...DAEMON_EXIT_CODES,
      done: 'done, whatever its state',
      usage: 'a mistake on the command line; not an xid, or one that could be one of several',
      noSuchThing: 'this log has issued no such xid, or lists it no more',
      unknown: 'its outcome is unknown',
    },
  }).argument(...XID_ARGUMENT)
  register(command, async (session, _options, [xidText = '']) => {
    const argument = parseXidArgument(xidText)
    const found = await session.ask(async (client) => {
      const transaction = await client.transaction(await resolveXid(argument, client))
      // What the participants are like says why it waits; for what has ended nobody needs to be asked.
      const needsReason = transaction.endTime === undefined && !session.settings.json
      return { transaction, participants: needsReason ? await client.participants() : [] }
    })
    if (session.settings.json) {
      session.printJson(toJson(Transaction, found.transaction))
    } else {
      const participants = byName(found.participants)
      const transaction = transactionFromProto(found.transaction)
      const { layout } = session
      session.print(renderTransaction({ transaction, participants, nowMs: session.nowMs(), layout }))
    }
    // I7: an outcome that nobody can tell must not look like one to a script.
    return found.transaction.outcome === Outcome.UNKNOWN ? EXIT.unknown : EXIT.done
  })
}
