/** Why a transaction can no longer commit. The first reason is the one that is told. */
import { messageOf, PledgedError } from '../../../base/errors.ts'
import type { Xid } from '../../../base/ids.ts'
import type { RequestName } from '../../../protocol/requests.ts'
import { TransactionAbortedError } from '../outcome.ts'
import { invalid } from '../request-options.ts'
import type { Scope } from '../scope.ts'

export interface Doom {
  /** What is thrown for it. */
  readonly error: unknown
  /** The reason may be gone at the next attempt. */
  readonly retryable: boolean
  /** The application's code has had the error already: whatever it throws in its turn says more. */
  readonly seen: boolean
}

export interface Named {
  readonly xid: Xid
  readonly name: Required<RequestName>
}

/** What `branch` or `add` has thrown. */
export function seenDoom(error: unknown): Doom {
  return { error, retryable: saysRetryable(error), seen: true }
}

export function outsideDoom(error: unknown): Doom {
  return { error, retryable: saysRetryable(error), seen: false }
}

/** The caller has cancelled, or its time is up, before anything was asked that could commit. */
export function overDoom(scope: Scope, { xid }: Named): Doom {
  const { cancelled } = scope
  if (cancelled !== undefined) return { error: cancelled.reason, retryable: false, seen: false }
  const error = new PledgedError(
    'DEADLINE_PASSED',
    `transaction ${xid} was not ready to commit within its ${scope.timeoutMs} ms, and is rolled back: ` +
      'give it more by the option `timeoutMs`, or let it do less',
    { metadata: { xid } },
  )
  return { error, retryable: false, seen: false }
}

export function sessionLostDoom({ xid, name }: Named): Doom {
  return outsideDoom(
    new TransactionAbortedError({
      xid,
      name,
      cause: 'session_lost',
      why: 'the session with the daemon ended before the commit was asked for',
      retryable: true,
    }),
  )
}

/** A branch could not be prepared on its connection. */
export function prepareDoom(participant: string, failure: unknown, { xid, name }: Named): Doom {
  return outsideDoom(
    new TransactionAbortedError({
      xid,
      name,
      cause: 'vote_no',
      why: `the branch of participant "${participant}" could not be prepared (${messageOf(failure)})`,
      retryable: saysRetryable(failure),
      failure,
    }),
  )
}

/** The work of a branch has thrown, and the callback went on as if it had not. */
export function swallowedError(error: unknown, { xid, name }: Named): unknown {
  if (error instanceof PledgedError) return error
  return new TransactionAbortedError({
    xid,
    name,
    cause: 'client',
    why: `the work of a branch had failed (${messageOf(error)}), and what it left half done must not commit`,
    retryable: saysRetryable(error),
    failure: error,
  })
}

export function forgottenAwaitDoom(participants: readonly string[]): Doom {
  const names = participants.map((name) => `"${name}"`).join(', ')
  return outsideDoom(
    invalid(
      `the transaction was to commit while work in its branch ${names} was still under way: ` +
        'await every branch before the callback returns; everything is rolled back',
    ),
  )
}

export function noBranchDoom(): Doom {
  return outsideDoom(
    invalid(
      'the transaction has no branch: open one (postgresBranch, mysqlBranch), or add() work; ' +
        'and await them within the callback, where an `await` was forgotten',
    ),
  )
}

/** Drivers' and query builders' errors wrap each other; the outermost that says it is believed. */
function saysRetryable(error: unknown): boolean {
  let inner: unknown = error
  for (let depth = 0; depth < 8 && typeof inner === 'object' && inner !== null; depth += 1) {
    const { retryable, cause } = inner as { readonly retryable?: unknown; readonly cause?: unknown }
    if (typeof retryable === 'boolean') return retryable
    inner = cause
  }
  return false
}
