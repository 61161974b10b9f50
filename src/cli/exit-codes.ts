/** What a shell or a monitor learns from the program's end. The numbers are those of BSD's sysexits where it has one. */
import type { ErrorCode } from '../base/errors.ts'

export const EXIT = {
  done: 0,
  badNews: 1,
  usage: 64,
  noSuchThing: 66,
  unreachable: 69,
  internal: 70,
  log: 74,
  unknown: 75,
  notPermitted: 77,
  configuration: 78,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/**
 * `pledged run` passes on the exit code of the application; for its own failures it has the numbers that env, timeout
 * and docker run have for theirs, so that the two can be told apart.
 */
export const RUN_EXIT = { failed: 125, notExecutable: 126, notFound: 127 } as const

/** One row for every code that there is. */
const EXIT_BY_ERROR: Readonly<Record<ErrorCode, ExitCode>> = {
  UNKNOWN_PARTICIPANT: EXIT.noSuchThing,
  DUPLICATE_PARTICIPANT: EXIT.usage,
  NO_BRANCHES: EXIT.usage,
  TOO_MANY_BRANCHES: EXIT.usage,
  WORK_TOO_LARGE: EXIT.usage,
  INVALID_REQUEST: EXIT.usage,
  MALFORMED_XID: EXIT.usage,
  XID_NOT_FOUND: EXIT.noSuchThing,
  REQUEST_NOT_FOUND: EXIT.noSuchThing,
  FOREIGN_XID: EXIT.noSuchThing,
  // I7: how it ended can't be learned, which isn't the same as that it never was.
  XID_FORGOTTEN: EXIT.unknown,
  REQUEST_ID_REUSED: EXIT.usage,
  REQUEST_TOO_OLD: EXIT.unknown,
  DEADLINE_PASSED: EXIT.unreachable,
  NOT_OWNER: EXIT.notPermitted,
  PARTICIPANT_NOT_FOUND: EXIT.noSuchThing,
  XID_NOT_LEASED: EXIT.badNews,
  TRANSACTION_ABORTED: EXIT.badNews,
  PARTICIPANT_PAUSED: EXIT.unreachable,
  NO_HEURISTIC: EXIT.badNews,
  TRANSACTION_UNDECIDED: EXIT.badNews,
  TRANSACTION_DECIDED: EXIT.badNews,
  APPEND_UNDER_WAY: EXIT.unknown,
  LOG_UNWRITABLE: EXIT.log,
  // A person has chosen the wrong copy of the log, or started a clone: what is to be mended is what was configured.
  EPOCH_SUPERSEDED: EXIT.configuration,
  LOG_DAMAGED: EXIT.log,
  LOG_IN_USE: EXIT.log,
  LOG_UNREADABLE: EXIT.log,
  DRAINING: EXIT.unreachable,
  STARTING: EXIT.unreachable,
  UNAVAILABLE: EXIT.unreachable,
  LIMIT_REACHED: EXIT.unreachable,
  UNAUTHENTICATED: EXIT.notPermitted,
  PERMISSION_DENIED: EXIT.notPermitted,
  NOT_IMPLEMENTED: EXIT.unreachable,
  OUTCOME_UNKNOWN: EXIT.unknown,
  CONFIGURATION: EXIT.configuration,
  USAGE: EXIT.usage,
  INTERNAL: EXIT.internal,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  return EXIT_BY_ERROR[code]
}

const MEANINGS: Readonly<Record<ExitCode, string>> = {
  [EXIT.done]: 'done',
  [EXIT.badNews]: 'the answer is bad news',
  [EXIT.usage]: 'a mistake on the command line',
  [EXIT.noSuchThing]: 'no such thing',
  [EXIT.unreachable]: "the daemon can't be reached, or refuses for now",
  [EXIT.internal]: 'a bug in Pledged',
  [EXIT.log]: "the log, or the output, can't be read or written",
  [EXIT.unknown]: 'unknown',
  [EXIT.notPermitted]: 'not permitted',
  [EXIT.configuration]: 'a mistake in the configuration, or in what it names',
}

/** A command's exit codes for its help: '' stands for the meaning that the code has everywhere. */
export type ExitCodeTexts = Partial<Readonly<Record<keyof typeof EXIT, string>>>

export function describeExitCodes(texts: ExitCodeTexts): string {
  return exitCodeLines(
    Object.entries(EXIT).flatMap(([name, code]) => {
      const text = texts[name as keyof typeof EXIT]
      return text === undefined ? [] : [[code, text === '' ? MEANINGS[code] : text] as const]
    }),
  )
}

export function exitCodeLines(rows: readonly (readonly [code: number, meaning: string])[]): string {
  return ['Exit codes:', ...rows.map(([code, meaning]) => `  ${String(code).padStart(2)}  ${meaning}`)].join(
    '\n',
  )
}
