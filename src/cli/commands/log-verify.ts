import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VerifyReport } from '../../daemon/offline-log.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import type { Register } from '../session.ts'
import { aligned, type TableLayout } from '../table.ts'
import { counted, grouped } from '../text.ts'

export function addLogVerify(log: Command, register: Register): void {
  const command = describe(log.command('verify'), {
    summary:
      'whether the log in a directory is whole: every record, its checksum, and its place in the chain',
    description: 'The daemon has to be stopped. The log is read from a copy, and not changed.',
    examples: ['pledged log verify ./pledged-data'],
    exitCodes: {
      done: 'the log is whole',
      badNews: 'it is damaged: what was found is listed',
      usage: '',
      internal: '',
      log: "it can't be read, is in use, or there is none",
    },
  }).argument('<dir>', 'the data directory')
  register(command, async (session, _options, [directory = '']) => {
    const { verifyLog } = await import('../../daemon/offline-log.ts')
    const report = verifyLog(resolve(directory))
    if (session.settings.json) session.printJson(reportJson(report))
    else session.print(renderReport(report, session.layout))
    return report.problems.length === 0 ? EXIT.done : EXIT.badNews
  })
}

function reportJson(report: VerifyReport) {
  const { forgottenThrough } = report
  return {
    directory: report.directory,
    whole: report.problems.length === 0,
    log_id: report.logId ?? null,
    format: report.format ?? null,
    epoch: report.epoch ?? null,
    openings: report.openings,
    mark: report.mark ?? null,
    records: report.records,
    first_position: report.firstPosition ?? null,
    last_position: report.lastPosition ?? null,
    unended: report.unended,
    heuristics: report.heuristics,
    participants: report.participants,
    forgotten_through:
      forgottenThrough === undefined ? null : `${forgottenThrough.epochNumber}.${forgottenThrough.sequence}`,
    problems: report.problems,
  }
}

function renderReport(report: VerifyReport, layout: TableLayout): string[] {
  const { problems } = report
  const facts = factsOf(report).map(([name, text]) => [{ text: name, style: 'bold' as const }, { text }])
  const verdict =
    problems.length === 0
      ? layout.paint('green', 'whole: every record is as it was written, and in its place')
      : layout.paint('red', `damaged: ${counted(problems.length, 'problem')}`)
  const remedy =
    problems.length === 0
      ? []
      : [`keep ${report.directory} as it is, and don't start a daemon on it: decisions may be missing`]
  return [
    ...aligned(facts, { ...layout, columns: undefined }),
    verdict,
    ...problems.map((problem) => `  ${problem}`),
    ...remedy,
  ]
}

function factsOf(report: VerifyReport): [name: string, text: string][] {
  const epoch = report.epoch === undefined ? 'no epoch' : `epoch ${report.epoch}`
  const state =
    report.mark === 'open' ? 'it was not closed: the next opening replays it' : 'closed in good order'
  const facts: [string, string][] = [
    [
      'log',
      `${report.logId ?? 'unnamed'}, ${epoch}, opened ${report.openings === 1 ? 'once' : `${grouped(report.openings)} times`}, format ${report.format ?? '?'}`,
    ],
    ['records', recordsText(report)],
    ['unended', `${counted(report.unended, 'decision')} not acknowledged by all`],
    ['heuristics', counted(report.heuristics, 'broken pledge')],
    ['participants', grouped(report.participants)],
  ]
  if (report.mark !== undefined) facts.push(['state', state])
  return facts
}

function recordsText({ records, firstPosition, lastPosition }: VerifyReport): string {
  const range = firstPosition === undefined ? '' : `, ${firstPosition} to ${lastPosition ?? firstPosition}`
  return `${grouped(records)}${range}`
}
