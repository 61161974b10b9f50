import { type Command, Option } from 'commander'
import { PledgedError } from '../../base/errors.ts'
import type { Xid } from '../../base/ids.ts'
import { ResolveTransactionResponse } from '../../wire/generated/pledged/v1/admin_service.ts'
import { Decision } from '../../wire/generated/pledged/v1/branch.ts'
import { toJson, transactionFromProto } from '../../wire/index.ts'
import { requireReason, XID_ARGUMENT } from '../arguments.ts'
import { carryOut, consequenceLines, type GraveOptions } from '../confirmation.ts'
import { EXIT } from '../exit-codes.ts'
import { describe, OPERATOR_EXIT_CODES } from '../help.ts'
import { refusalText } from '../refusal.ts'
import type { Register, Session } from '../session.ts'
import { shortXid } from '../xid-argument.ts'

interface Options extends GraveOptions {
  readonly commit?: true
  readonly abort?: true
  readonly reason: string
}

export function addTransactionResolve(transactions: Command, register: Register): void {
  const command = describe(transactions.command('resolve'), {
    summary: "an operator's decision for a transaction that has none; it is audited",
    description:
      'Refused where a decision exists, or is being written: that one stands, and delivery is automatic. The consequences are shown first, and the xid has to be typed, or given with --confirm. To commit before every branch has voted yes may break it: it is recorded as a heuristic, which somebody has to acknowledge.',
    examples: [
      'pledged tx resolve 7.1042 --abort --reason "its client is gone, INC-31" --dry-run',
      'pledged tx resolve 7.1042 --abort --reason "its client is gone, INC-31" --confirm 7.1042',
    ],
    exitCodes: {
      ...OPERATOR_EXIT_CODES,
      badNews: 'refused: it has a decision, or one is being written',
      usage: 'a mistake on the command line, or not confirmed',
      noSuchThing: 'this log has issued no such xid, or lists it no more',
    },
  })
    .argument(...XID_ARGUMENT)
    .addOption(new Option('--commit', 'decide that every branch commits').conflicts('abort'))
    .addOption(new Option('--abort', 'decide that every branch aborts').conflicts('commit'))
    .option('--dry-run', 'say what would come of it, and do nothing')
    .option('--confirm <xid>', 'instead of typing it: the xid, whole or as short as it may be')
  register(requireReason(command), async (session, options: Options, [xidText = '']) => {
    const verb = verbOf(options)
    const xid = await session.xid(xidText)
    const decision = verb === 'commit' ? Decision.COMMIT : Decision.ABORT
    const { reason } = options
    try {
      const answer = await carryOut(
        session,
        {
          xid,
          words: `${verb} ${xid}`,
          ask: (client, dryRun) => client.resolveTransaction({ xid, decision, reason, dryRun }),
        },
        options,
      )
      tell(session, answer, { verb, xid, dryRun: options.dryRun === true })
      return EXIT.done
    } catch (error) {
      return await refusal(session, xid, error)
    }
  })
}

function verbOf({ commit, abort }: Options): 'commit' | 'abort' {
  if (commit === true) return 'commit'
  if (abort === true) return 'abort'
  throw new PledgedError('USAGE', 'say which decision: --commit or --abort')
}

interface Told {
  readonly verb: 'commit' | 'abort'
  readonly xid: Xid
  readonly dryRun: boolean
}

function tell(session: Session, answer: ResolveTransactionResponse, { verb, xid, dryRun }: Told): void {
  if (session.settings.json) {
    session.printJson(toJson(ResolveTransactionResponse, answer))
    return
  }
  session.print([
    dryRun ? `to ${verb} ${xid} means:` : `${verb} is decided for ${xid}`,
    ...consequenceLines(answer.consequences),
  ])
  session.note(dryRun ? 'nothing was done' : `\`pledged tx show ${shortXid(xid)}\` shows how it goes on`)
}

/** A decision that exists is bad news for who wanted another, and says why it can't be had. */
async function refusal(session: Session, xid: Xid, error: unknown): Promise<number> {
  if (!(error instanceof PledgedError)) throw error
  if (error.code !== 'TRANSACTION_DECIDED' && error.code !== 'APPEND_UNDER_WAY') throw error
  const { code } = error
  if (code === 'APPEND_UNDER_WAY') return session.refused(error)
  const transaction = await session.ask((client) => client.transaction(xid))
  const message = refusalText(transactionFromProto(transaction), session.nowMs())
  return session.refused({ code, message: message === '' ? error.message : message })
}
