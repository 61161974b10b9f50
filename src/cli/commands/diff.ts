import type { Command } from 'commander'
import { CompareBranchesResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { toJson } from '../../wire/index.ts'
import { type AdminClient, PAGE_SIZE_MAX } from '../admin-client.ts'
import { parseName } from '../arguments.ts'
import { comparisonTable } from '../comparison-table.ts'
import { EXIT } from '../exit-codes.ts'
import { DAEMON_EXIT_CODES, describe } from '../help.ts'
import type { Register } from '../session.ts'
import { renderTable } from '../table.ts'
import { oneLine } from '../text.ts'

const DESCRIPTION = [
  'Each participant is asked what it holds prepared, and that is laid beside the log. MATCHED: both know it, and it is on its way to its end. ORPHAN: held, and the log has no such transaction; it is aborted by itself. FOREIGN (LIVING): of another log, whose daemon was seen there lately, and which ends its own. FOREIGN (DEAD): of a log that seems to be gone; a person is needed. MISSING: decided and not acknowledged, and the participant does not hold it.',
  'What a transaction holds between its prepare and its decision is not shown: that is no doubt.',
].join('\n\n')

export function addDiff(program: Command, register: Register): void {
  const command = describe(program.command('diff'), {
    summary: 'both sides of doubt: the log against what each participant says it holds prepared',
    description: DESCRIPTION,
    examples: ['pledged diff', 'pledged diff --participant ledger --json'],
    exitCodes: {
      ...DAEMON_EXIT_CODES,
      done: 'done, whatever the branches are like',
      noSuchThing: 'no participant of that name is known',
      unknown: 'a participant could not be asked: what it holds is unknown',
    },
  }).option('--participant <name>', 'only this one; may be repeated', collectName)
  register(command, async (session, { participant = [] }: { participant?: readonly string[] }) => {
    const found = await session.ask((client) => collect(client, participant))
    const { branches, unscannedParticipants: unscanned } = found
    if (session.settings.json) {
      session.printJson(toJson(CompareBranchesResponse, found))
    } else {
      session.terminal.out(renderTable(comparisonTable(branches, session.nowMs()), session.layout))
      if (branches.length === 0 && unscanned.length === 0) session.note('nothing is held prepared')
      // Not a note for --quiet to drop: without it an empty list would say too much.
      for (const { participant: name, message } of unscanned) {
        session.terminal.note(`"${name}" could not be asked, what it holds is unknown: ${oneLine(message)}`)
      }
    }
    return unscanned.length === 0 ? EXIT.done : EXIT.unknown
  })
}

/** All pages as one. A participant that could not be asked may be named on each of them. */
async function collect(
  client: AdminClient,
  participants: readonly string[],
): Promise<CompareBranchesResponse> {
  const branches: CompareBranchesResponse['branches'] = []
  const unscanned = new Map<string, CompareBranchesResponse['unscannedParticipants'][number]>()
  let pageToken = ''
  do {
    const page = await client.compareBranches({
      participants: [...participants],
      pageSize: PAGE_SIZE_MAX,
      pageToken,
    })
    branches.push(...page.branches)
    for (const one of page.unscannedParticipants) unscanned.set(one.participant, one)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return { branches, nextPageToken: '', unscannedParticipants: [...unscanned.values()] }
}

function collectName(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseName(text)]
}
