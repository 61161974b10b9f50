/** Why a decision can't be changed any more (I3): when it was made, and who has acted on it. */
import type { TransactionView } from '../protocol/requests.ts'
import { formatSecond } from './durations.ts'
import { listed, oneLine } from './text.ts'

/** `commit was decided at 14:02:11 and "sink" has committed.`; empty where no decision is known. */
export function refusalText(transaction: TransactionView, nowMs: number): string {
  const { outcome, decideTimeMs, endTimeMs, branches } = transaction
  if (outcome !== 'committed' && outcome !== 'aborted') return ''
  const at = decideTimeMs ?? endTimeMs
  const verb = outcome === 'committed' ? 'commit' : 'abort'
  const decided = `${verb} was decided${at === undefined ? '' : ` at ${formatSecond(at, nowMs)}`}`
  const names = branches
    .filter(({ state }) => state === outcome)
    .map(({ participant }) => `"${oneLine(participant)}"`)
  if (names.length === 0) return `${decided}: a decision never changes.`
  return `${decided} and ${listed(names)} ${names.length === 1 ? 'has' : 'have'} ${outcome}.`
}
