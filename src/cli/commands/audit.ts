import type { Command } from 'commander'
import { ListAuditEventsResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { toJson } from '../../wire/index.ts'
import { type AdminClient, PAGE_SIZE_MAX } from '../admin-client.ts'
import { parseLimit } from '../arguments.ts'
import { auditTable } from '../audit-table.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import type { Register } from '../session.ts'
import { renderTable } from '../table.ts'

interface Options {
  readonly xid?: string
  readonly limit: number
}

const LIMIT_DEFAULT = 50

export function addAudit(program: Command, register: Register): void {
  const command = describe(program.command('audit'), {
    summary: 'what operators did, when, who and why, the newest first',
    description:
      'It is kept in the log, and outlives the transactions: of very many the newest are kept. Elsewhere than on a terminal fields are separated by tabs, and the first line has their names.',
    examples: ['pledged audit', 'pledged audit --xid 7.1042 --json'],
    exitCodes: { ...DAEMON_EXIT_CODES, noSuchThing: 'an xid that is not listed any more: give it whole' },
  })
    .option('--xid <xid>', 'only about this transaction; whole, or as short as it may be')
    .option('--limit <number>', 'how many at most', parseLimit, LIMIT_DEFAULT)
  register(command, async (session, { xid: xidText, limit }: Options) => {
    const xid = xidText === undefined ? '' : await session.xid(xidText)
    const page = await session.ask((client) => collect(client, xid, limit))
    if (session.settings.json) {
      session.printJson(toJson(ListAuditEventsResponse, page))
      return EXIT.done
    }
    session.terminal.out(renderTable(auditTable(page.events, session.nowMs()), session.layout))
    if (page.events.length === 0) session.note('no operator has done anything')
    else if (page.nextPageToken !== '') session.note('there are older ones: --limit shows more')
    return EXIT.done
  })
}

async function collect(client: AdminClient, xid: string, limit: number): Promise<ListAuditEventsResponse> {
  const events: ListAuditEventsResponse['events'] = []
  let pageToken = ''
  do {
    const pageSize = Math.min(limit - events.length, PAGE_SIZE_MAX)
    const page = await client.auditEvents({ pageSize, pageToken, xid })
    events.push(...page.events)
    pageToken = page.nextPageToken
  } while (pageToken !== '' && events.length < limit)
  return { events, nextPageToken: pageToken }
}
