import { type Epoch, tryParseXid } from '../../base/ids.ts'
import type { Break } from './break.ts'

/** Every epoch under the log's own id is taken for one that it opened. */
export const presumeUnknownEpoch: Break = {
  name: 'presume-unknown-epoch',
  does: 'a branch of an epoch that the log did not open is presumed aborted (I6)',
  caughtAs: /^I6: .* planted as unknown_epoch/,
  step: (step) => (state, now, event) => {
    if (event.type === 'message' && event.message.type === 'held') {
      for (const { xid } of event.message.branches) {
        const parts = tryParseXid(xid)
        if (parts?.logId === state.logId) (state.epochs as Set<Epoch>).add(parts.epoch)
      }
    }
    return step(state, now, event)
  },
}
