import type { Command } from 'commander'
import type { Xid } from '../../base/ids.ts'
import { ForgetBranchResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { Decision } from '../../wire/generated/pledged/v1/branch.ts'
import { toJson } from '../../wire/index.ts'
import { parseName, requireReason, XID_ARGUMENT } from '../arguments.ts'
import { carryOut, consequenceLines, type GraveOptions } from '../confirmation.ts'
import { EXIT } from '../exit-codes.ts'
import { describe, OPERATOR_EXIT_CODES } from '../help.ts'
import type { Register, Session } from '../session.ts'

interface Options extends GraveOptions {
  readonly participant: string
  readonly reason: string
  readonly commit?: true
}

const DESCRIPTION = [
  'For a participant that is gone for ever: its branch is waited for no longer, and its transaction can end. The decision stays what it is, and how the branch ends there nobody will know. Should the participant come back after all while the transaction is kept, and hold the branch, it is told the decision.',
  'For a branch of a log that is lost (`pledged diff` shows it as foreign, of a dead log): the participant is told to abort it, or, with --commit, to commit it. Nobody can say which is right but whoever knows what that log had answered: look at the other branches of the same xid.',
].join('\n\n')

export function addTransactionForgetBranch(transactions: Command, register: Register): void {
  const command = describe(transactions.command('forget-branch'), {
    summary: 'give up the branch of a participant that is gone for ever, or end one of a lost log',
    description: DESCRIPTION,
    examples: [
      'pledged tx forget-branch 7.1042 --participant offsets --reason "disk lost, INC-31" --dry-run',
      'pledged tx forget-branch h0t2m8c4p6vz.3-a1b2.17 --participant ledger --reason "log lost, INC-31"',
    ],
    exitCodes: {
      ...OPERATOR_EXIT_CODES,
      badNews: 'refused: the branch has ended, or its log lives',
      usage: 'a mistake on the command line, or not confirmed',
      noSuchThing: 'there is no such xid, no such participant, or no branch of it',
    },
  })
    .argument(...XID_ARGUMENT)
    .requiredOption('--participant <name>', 'whose branch', parseName)
    .option('--commit', 'of a lost log: the branch is to commit (default: to abort)')
    .option('--dry-run', 'say what would come of it, and do nothing')
    .option('--confirm <xid>', 'instead of typing it: the xid, whole or as short as it may be')
  register(requireReason(command), async (session, options: Options, [xidText = '']) => {
    const xid = await session.xid(xidText)
    const { participant, reason, dryRun } = options
    const decision = options.commit === true ? Decision.COMMIT : Decision.UNSPECIFIED
    const answer = await carryOut(
      session,
      {
        xid,
        words: `give up the branch of "${participant}" in ${xid}`,
        ask: (client, isDry) => client.forgetBranch({ xid, participant, reason, decision, dryRun: isDry }),
      },
      options,
    )
    tell(session, answer, { xid, participant, dryRun: dryRun === true })
    return EXIT.done
  })
}

interface Told {
  readonly xid: Xid
  readonly participant: string
  readonly dryRun: boolean
}

function tell(session: Session, answer: ForgetBranchResponse, { xid, participant, dryRun }: Told): void {
  if (session.settings.json) {
    session.printJson(toJson(ForgetBranchResponse, answer))
    return
  }
  session.print([
    dryRun
      ? `to give up the branch of "${participant}" in ${xid} means:`
      : `the branch of "${participant}" in ${xid} is given up`,
    ...consequenceLines(answer.consequences),
  ])
  if (dryRun) session.note('nothing was done')
}
