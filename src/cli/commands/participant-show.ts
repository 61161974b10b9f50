import type { Command } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import type { ListTransactionsResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantStatus } from '../../wire/generated/pledged/v1/participant.ts'
import { toJson, transactionFromProto } from '../../wire/index.ts'
import type { AdminClient } from '../admin-client.ts'
import { checkedName } from '../arguments.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import { byName } from '../message-values.ts'
import { renderParticipant } from '../participant-page.ts'
import type { Register } from '../session.ts'
import { renderTable } from '../table.ts'
import { transactionTable } from '../transaction-table.ts'
import { isInDoubt } from '../words.ts'

const TRANSACTIONS_SHOWN = 20

export function addParticipantShow(participants: Command, register: Register): void {
  const command = describe(participants.command('show'), {
    summary: 'one participant: what it is, how it is, why it waits, what to do, what it holds in doubt',
    examples: ['pledged participant show offsets', 'pledged participant show offsets --json'],
    exitCodes: { ...DAEMON_EXIT_CODES, noSuchThing: 'no participant of that name is known' },
  }).argument('<name>', 'as `pledged participant list` has it')
  register(command, async (session, _options, [text = '']) => {
    const name = checkedName(text)
    const [all, page] = await session.ask((client) =>
      Promise.all([client.participants(), inDoubtAt(client, name)]),
    )
    const participant = all.find((one) => one.name === name)
    if (participant === undefined) throw noSuchParticipant(name, all)
    if (session.settings.json) {
      session.printJson(toJson(ParticipantStatus, participant))
      return EXIT.done
    }
    const { layout } = session
    const nowMs = session.nowMs()
    session.print(renderParticipant({ participant, nowMs, layout }))
    // Its own branch, and not one of others in the same transaction.
    const transactions = page.transactions
      .map(transactionFromProto)
      .filter(({ branches }) => branches.some((one) => one.participant === name && isInDoubt(one)))
    if (transactions.length === 0) return EXIT.done
    session.print([''])
    session.terminal.out(
      renderTable(transactionTable(transactions, { participants: byName(all), nowMs }), layout),
    )
    const more = participant.inDoubt - transactions.length
    if (more > 0) {
      session.note(`${more} more: \`pledged tx list --in-doubt --participant ${name}\``)
    }
    return EXIT.done
  })
}

function inDoubtAt(client: AdminClient, participant: string): Promise<ListTransactionsResponse> {
  return client.transactions({
    pageSize: TRANSACTIONS_SHOWN,
    pageToken: '',
    states: [],
    participant,
    inDoubt: true,
    heuristic: false,
    minAge: undefined,
    includeEnded: false,
  })
}

function noSuchParticipant(name: string, all: readonly ParticipantStatus[]): PledgedError {
  const known = all.length === 0 ? 'none is' : all.map((one) => one.name).join(', ')
  return new PledgedError(
    'PARTICIPANT_NOT_FOUND',
    `no participant "${name}" is known to the daemon (known: ${known}): it has never attached, and is not configured`,
  )
}
