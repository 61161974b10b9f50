import type { Command } from 'commander'
import { TRANSACTION_STATES, type TransactionState } from '../../protocol/requests.ts'
import {
  type ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../wire/generated/pledged/v1/admin_service.ts'
import { toDuration, toJson, transactionFromProto, transactionStates } from '../../wire/index.ts'
import { type AdminClient, PAGE_SIZE_MAX } from '../admin-client.ts'
import { collectState, parseLimit, parseName } from '../arguments.ts'
import { parseDuration } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import { byName } from '../message-values.ts'
import type { Register } from '../session.ts'
import { renderTable } from '../table.ts'
import { counted } from '../text.ts'
import { transactionTable } from '../transaction-table.ts'

interface Options {
  readonly inDoubt?: true
  readonly heuristic?: true
  readonly state?: readonly TransactionState[]
  readonly participant?: string
  readonly olderThan?: number
  readonly all?: true
  readonly limit: number
}

const LIMIT_DEFAULT = 50

export function addTransactionList(transactions: Command, register: Register): void {
  const command = describe(transactions.command('list'), {
    summary: 'the transactions that are not finished, the oldest first',
    description:
      'How many more there are is told on standard error. Elsewhere than on a terminal fields are separated by tabs, whole, and the first line has their names.',
    examples: [
      'pledged tx list --in-doubt',
      'pledged tx list --all --participant offsets --limit 200 --json',
    ],
    exitCodes: { ...DAEMON_EXIT_CODES, done: 'done, whatever the transactions are like' },
  })
    .option('--in-doubt', 'only those with a branch that has pledged and does not know the decision yet')
    .option('--heuristic', 'only those with a broken pledge that nobody has acknowledged, ended or not')
    .option(
      '--state <state>',
      `only those that are ${TRANSACTION_STATES.join(', ')}; may be repeated`,
      collectState,
    )
    .option('--participant <name>', 'only those with a branch of this participant', parseName)
    .option('--older-than <duration>', 'only those that began longer ago, for example 30s', (text) =>
      parseDuration('--older-than', text),
    )
    .option('--all', 'also those that have ended and are kept, the newest first')
    .option('--limit <number>', 'how many at most', parseLimit, LIMIT_DEFAULT)
  register(command, async (session, options: Options) => {
    if (session.settings.json) {
      const page = await session.ask((client) => collect(client, options))
      session.printJson(toJson(ListTransactionsResponse, page))
      return EXIT.done
    }
    const [page, participants] = await session.ask((client) =>
      Promise.all([collect(client, options), client.participants()]),
    )
    const transactions = page.transactions.map(transactionFromProto)
    const context = { participants: byName(participants), nowMs: session.nowMs() }
    session.terminal.out(renderTable(transactionTable(transactions, context), session.layout))
    const note = remainderNote(page, options)
    if (note !== undefined) session.note(note)
    return EXIT.done
  })
}

/** Follows the pages until there are as many as were asked for. A page may be short, and not be the last. */
async function collect(client: AdminClient, options: Options): Promise<ListTransactionsResponse> {
  const request = requestOf(options)
  const transactions: ListTransactionsResponse['transactions'] = []
  let page: ListTransactionsResponse
  let pageToken = ''
  do {
    const pageSize = Math.min(options.limit - transactions.length, PAGE_SIZE_MAX)
    page = await client.transactions({ ...request, pageSize, pageToken })
    transactions.push(...page.transactions)
    pageToken = page.nextPageToken
  } while (pageToken !== '' && transactions.length < options.limit)
  return { ...page, transactions }
}

function requestOf(options: Options): Omit<ListTransactionsRequest, 'pageSize' | 'pageToken'> {
  const { state = [], olderThan, heuristic = false } = options
  return {
    states: state.map((word) => transactionStates.toProto(word)),
    participant: options.participant ?? '',
    inDoubt: options.inDoubt === true,
    heuristic,
    minAge: olderThan === undefined ? undefined : toDuration(olderThan),
    // Who asks for the ended ones by their state means to see them; and a pledge is mostly found broken at the end.
    includeEnded:
      options.all === true || heuristic || state.includes('committed') || state.includes('aborted'),
  }
}

/** What the list doesn't show. */
function remainderNote(page: ListTransactionsResponse, options: Options): string | undefined {
  const { transactions, nextPageToken, totalUnfinished } = page
  if (transactions.length === 0) {
    return isFiltered(options) ? 'no transaction is like that' : 'nothing is unfinished'
  }
  if (nextPageToken === '') return undefined
  const unfinished = transactions.filter(({ endTime }) => endTime === undefined).length
  const more = totalUnfinished - unfinished
  return more > 0
    ? `${counted(more, 'more transaction is', 'more transactions are')} not finished: --limit shows more`
    : 'more have ended: --limit shows more'
}

function isFiltered({ inDoubt, heuristic, state, participant, olderThan, all }: Options): boolean {
  return (
    inDoubt === true ||
    heuristic === true ||
    all === true ||
    state !== undefined ||
    participant !== undefined ||
    olderThan !== undefined
  )
}
