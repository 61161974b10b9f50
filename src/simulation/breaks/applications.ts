/** Bugs of the SDK, which is part of the protocol: what it does to its branches, and what it makes of its session's answers. */
import type { Xid } from '../../base/ids.ts'
import type { Sessions } from '../../sdk/client/session/sessions.ts'
import type { BranchOpening, OpenBranch } from '../../sdk/client/transaction/branch.ts'
import type { Break } from './break.ts'

export const rollsBackOnUnknown: Break = {
  name: 'rolls-back-on-unknown',
  does: 'the SDK rolls its branches back where it could not learn the outcome (R1)',
  caughtAs: /^R1: an application rolled back its branch/,
  slips: {
    branches: (opening) =>
      withBranches(opening, (branch) => ({ ...branch, leave: () => void branch.rollBack() })),
  },
}

export const commitsBeforeTold: Break = {
  name: 'commits-before-told',
  does: 'the SDK commits a branch on its connection as soon as it is prepared (R1)',
  caughtAs: /^R1: an application committed its branch of .* before it was told so/,
  slips: {
    branches: (opening) =>
      withBranches(opening, (branch) => {
        let committed: Promise<boolean> | undefined
        return {
          ...branch,
          prepare: async () => {
            const vote = await branch.prepare()
            if (vote === 'prepared') committed = branch.commit()
            return vote
          },
          commit: () => committed ?? branch.commit(),
        }
      }),
  },
}

export const lostAnswerTakenForAborted: Break = {
  name: 'lost-answer-taken-for-aborted',
  does: 'the SDK takes a commit whose answer was lost for aborted (I7)',
  caughtAs: /^I3: an application was told "aborted" of/,
  slips: {
    sessions: (sessions) => ({
      ...delegated(sessions),
      commit: async (request, scope) => {
        const tried = await sessions.commit(request, scope)
        if (tried.end !== 'lost' || !tried.sent) return tried
        const said = { abortCause: undefined, abortMessage: 'lost', retryable: false, heuristic: false }
        const xid = request.xid as Xid
        return {
          end: 'answered',
          response: { ...said, xid, state: 'aborted', outcome: 'aborted', replayed: false },
        }
      },
    }),
  },
}

function withBranches<Handle>(
  opening: BranchOpening<Handle>,
  change: (branch: OpenBranch<Handle>) => OpenBranch<Handle>,
): BranchOpening<Handle> {
  const { participant, source } = opening
  return { participant, source, open: async (context) => change(await opening.open(context)) }
}

function delegated(sessions: Sessions): Sessions {
  return {
    execute: (request, scope) => sessions.execute(request, scope),
    commit: (request, scope) => sessions.commit(request, scope),
    abort: (xid, scope) => sessions.abort(xid, scope),
    get: (request, scope) => sessions.get(request, scope),
    begin: (scope) => sessions.begin(scope),
    close: () => sessions.close(),
  }
}
