import { RequestIndex } from '../../protocol/request-index.ts'
import type { Break } from './break.ts'

/** A request that is asked again is not recognised. */
export const requestForgotten: Break = {
  name: 'request-forgotten',
  does: 'a repeated request is not recognised and runs again (I3)',
  caughtAs: /^I3: /,
  step: (step) => (state, now, event) => {
    const forgetful = { requests: new RequestIndex(state.limits.requestsRememberedMin, false) }
    if (event.type === 'execute') Object.assign(state, forgetful)
    return step(state, now, event)
  },
}
