import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode } from '../base/errors.ts'
import { describeExitCodes, exitCodeOf } from './exit-codes.ts'

/** What a script relies on. A change here is a change of the contract. */
const CONTRACT: Readonly<Record<ErrorCode, number>> = {
  UNKNOWN_PARTICIPANT: 66,
  DUPLICATE_PARTICIPANT: 64,
  NO_BRANCHES: 64,
  TOO_MANY_BRANCHES: 64,
  WORK_TOO_LARGE: 64,
  INVALID_REQUEST: 64,
  MALFORMED_XID: 64,
  XID_NOT_FOUND: 66,
  REQUEST_NOT_FOUND: 66,
  FOREIGN_XID: 66,
  XID_FORGOTTEN: 75,
  REQUEST_ID_REUSED: 64,
  REQUEST_TOO_OLD: 75,
  DEADLINE_PASSED: 69,
  NOT_OWNER: 77,
  PARTICIPANT_NOT_FOUND: 66,
  XID_NOT_LEASED: 1,
  TRANSACTION_ABORTED: 1,
  PARTICIPANT_PAUSED: 69,
  NO_HEURISTIC: 1,
  TRANSACTION_UNDECIDED: 1,
  TRANSACTION_DECIDED: 1,
  APPEND_UNDER_WAY: 75,
  LOG_UNWRITABLE: 74,
  EPOCH_SUPERSEDED: 78,
  LOG_DAMAGED: 74,
  LOG_IN_USE: 74,
  LOG_UNREADABLE: 74,
  DRAINING: 69,
  STARTING: 69,
  UNAVAILABLE: 69,
  LIMIT_REACHED: 69,
  UNAUTHENTICATED: 77,
  PERMISSION_DENIED: 77,
  NOT_IMPLEMENTED: 69,
  OUTCOME_UNKNOWN: 75,
  CONFIGURATION: 78,
  USAGE: 64,
  INTERNAL: 70,
}

describe('exit codes', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s', (code) => {
    expect(exitCodeOf(code)).toBe(CONTRACT[code])
  })
})

it('explains codes in their order, in the command’s words or in those that hold everywhere', () => {
  expect(describeExitCodes({ unknown: 'ask again', done: '', usage: '' })).toBe(
    ['Exit codes:', '   0  done', '  64  a mistake on the command line', '  75  ask again'].join('\n'),
  )
})
