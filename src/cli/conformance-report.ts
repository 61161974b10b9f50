/** What the conformance suite found: a line per case, then what to fix, the gravest first; or one JSON document. */
import type { CaseResult, ConformanceReport, ConformanceResult } from '../sdk/conformance/index.ts'
import type { Paint, Style } from './style.ts'
import { counted, listed, oneLine, padEnd, wrap } from './text.ts'

const WORDS: Readonly<Record<ConformanceResult, readonly [word: string, style: Style | undefined]>> = {
  passed: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  failed: ['FAILED', 'red'],
  skipped: ['skipped', 'dim'],
}
const WORD_WIDTH = 7
const NAME_WIDTH = 30
const LABEL_WIDTH = 6
const COLUMNS = 110

/** `restarts`: where the output of the restart command goes, where there is one. */
export function openingLine(address: string, restarts: string | undefined): string {
  const rest =
    restarts === undefined
      ? 'without --restart-command nothing is killed, and no crash is tried'
      : `what its restarts print is in ${restarts}`
  return `asking the participant at ${address}; ${rest}`
}

export function caseLine({ number, name, result, seen }: CaseResult, paint: Paint): string {
  const [word, style] = WORDS[result]
  const head = `${paint(style, padEnd(word, WORD_WIDTH))}  ${String(number).padStart(2)}  ${padEnd(name, NAME_WIDTH)}`
  // What is wrong is told below, in full.
  const text = result === 'failed' || result === 'warning' ? 'see below' : oneLine(seen)
  return `${head}  ${paint(result === 'skipped' ? 'dim' : undefined, text)}`
}

export function closingLines(report: ConformanceReport, columns: number | undefined, paint: Paint): string[] {
  const width = Math.min(columns ?? COLUMNS, COLUMNS)
  return [
    ...report.toFix.flatMap((one) => ['', ...fixLines(one, width, paint)]),
    ...leftLines(report, width),
    '',
    summaryOf(report),
  ]
}

function fixLines(
  { number, name, weight, rule, why, result, seen, advice }: CaseResult,
  width: number,
  paint: Paint,
): string[] {
  const [word, style] = WORDS[result]
  return [
    `${paint(style, word)}  ${number} ${paint('bold', name)} (${weight})`,
    ...labelled('rule', rule, width),
    ...labelled('why', why, width),
    ...labelled('seen', oneLine(seen), width),
    ...labelled('do', advice, width),
  ]
}

function labelled(label: string, text: string, width: number): string[] {
  const lines = wrap(text, width - LABEL_WIDTH)
  return lines.map((line, index) => `${padEnd(index === 0 ? label : '', LABEL_WIDTH)}${line}`)
}

function leftLines({ left }: ConformanceReport, width: number): string[] {
  if (left.length === 0) return []
  const text = `${counted(left.length, 'branch', 'branches')} of this run could not be ended, and ${left.length === 1 ? 'is' : 'are'} held still: ${left.slice(0, 3).join(', ')}${left.length > 3 ? ', ...' : ''}`
  return ['', ...labelled('left', text, width)]
}

function summaryOf({ participant, passed, failed, warnings, skipped }: ConformanceReport): string {
  const counts = [
    `${passed} passed`,
    `${failed} failed`,
    ...(warnings === 0 ? [] : [counted(warnings, 'warning')]),
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
  ]
  const who =
    participant === undefined
      ? 'a participant that does not describe itself'
      : `kind ${oneLine(participant.kind)}`
  return `${listed(counts)} (${who})`
}

export function reportJson(report: ConformanceReport) {
  const { address, branch, logId, epoch, participant, passed, warnings, failed, skipped, cases, left } =
    report
  return {
    address,
    branch,
    log_id: logId,
    epoch,
    participant:
      participant === undefined
        ? null
        : {
            kind: participant.kind,
            resource_id: participant.resourceId,
            keeps_witnesses: participant.keepsWitnesses,
            one_phase: participant.onePhase,
          },
    passed,
    warnings,
    failed,
    skipped,
    cases,
    to_fix: report.toFix.map(({ name }) => name),
    left,
  }
}
