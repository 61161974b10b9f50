/**
 * What can't be taken back: its consequences are shown first, and the person types the xid. Where nobody can be
 * asked, --confirm has it.
 */
import { PledgedError } from '../base/errors.ts'
import { tryParseXid, type Xid } from '../base/ids.ts'
import type { AdminClient } from './admin-client.ts'
import type { Session } from './session.ts'
import { oneLine } from './text.ts'
import { shortXid } from './xid-argument.ts'

export interface GraveOptions {
  readonly dryRun?: true
  readonly confirm?: string
}

export interface GraveAct<Answer> {
  readonly xid: Xid
  /** `abort k3f9qa7m2xw4.7-q3f9.1042`. */
  readonly words: string
  readonly ask: (client: AdminClient, dryRun: boolean) => Promise<Answer>
}

interface Consequential {
  readonly consequences: readonly string[]
}

/** Does it, or, on a dry run, only asks what would come of it. Throws USAGE where it isn't confirmed. */
export async function carryOut<Answer extends Consequential>(
  session: Session,
  act: GraveAct<Answer>,
  { dryRun, confirm }: GraveOptions,
): Promise<Answer> {
  if (dryRun === true) return await session.ask((client) => act.ask(client, true))
  if (confirm === undefined) await confirmByTyping(session, act)
  else if (!names(confirm, act.xid)) {
    throw new PledgedError(
      'USAGE',
      `--confirm is ${JSON.stringify(confirm)}, and the transaction is ${act.xid}: nothing was done`,
    )
  }
  return await session.ask((client) => act.ask(client, false))
}

async function confirmByTyping<Answer extends Consequential>(
  session: Session,
  { xid, words, ask }: GraveAct<Answer>,
): Promise<void> {
  const { consequences } = await session.ask((client) => ask(client, true))
  const question = session.settings.input ? session.terminal.ask : undefined
  // Even with --quiet, and beside JSON: a person is to know what they say yes to.
  for (const line of [`to ${words} means:`, ...consequenceLines(consequences)]) session.terminal.note(line)
  if (question === undefined) {
    throw new PledgedError(
      'USAGE',
      `to ${words} can't be taken back, and nobody is there to confirm it: nothing was done; say --confirm ${shortXid(xid)}`,
    )
  }
  const answer = (await question(`type the xid (${shortXid(xid)}) to ${oneLine(words)}: `))?.trim() ?? ''
  if (names(answer, xid)) return
  throw new PledgedError(
    'USAGE',
    answer === ''
      ? 'not confirmed: nothing was done'
      : `not confirmed: ${JSON.stringify(answer)} is not ${xid}: nothing was done`,
  )
}

export function consequenceLines(consequences: readonly string[]): string[] {
  return consequences.map((consequence) => `  - ${oneLine(consequence)}`)
}

/** Whole, or as the commands take it. */
function names(text: string, xid: Xid): boolean {
  const parts = tryParseXid(xid)
  return text === xid || text === `${parts?.epoch}.${parts?.sequence}` || text === shortXid(xid)
}
