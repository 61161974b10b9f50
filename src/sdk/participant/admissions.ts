/**
 * R11 for a participant that listens: every call says who speaks, so the participant is asked once for each log and
 * epoch, and again whenever a scan begins, for by then another process may have admitted a newer one.
 */
import type { Metadata } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { isEpoch, isLogId, type LogId } from '../../base/ids.ts'
import type { CoordinatorIdentity } from './participant.ts'
import type { AdmissionRefusal } from './session.ts'

const LOG_ID_HEADER = 'pledged-log-id'
const EPOCH_HEADER = 'pledged-epoch'

/** Logs that are remembered; a participant has few, and one that is forgotten is only asked for again. */
const LOGS_MAX = 64

/** Undefined where a call doesn't say. Throws INVALID_REQUEST where it says what is none. */
export function coordinatorOf(metadata: Metadata): CoordinatorIdentity | undefined {
  const [logId] = metadata.get(LOG_ID_HEADER)
  const [epoch] = metadata.get(EPOCH_HEADER)
  if (logId === undefined && epoch === undefined) return undefined
  if (typeof logId === 'string' && typeof epoch === 'string' && isLogId(logId) && isEpoch(epoch)) {
    return { logId, epoch }
  }
  throw new PledgedError(
    'INVALID_REQUEST',
    `the metadata ${LOG_ID_HEADER} is ${JSON.stringify(logId)} and ${EPOCH_HEADER} is ${JSON.stringify(epoch)}: ` +
      'both have to be there, as the coordinator has them, or neither',
  )
}

export interface AdmissionsOptions {
  readonly admit: (coordinator: CoordinatorIdentity) => Promise<AdmissionRefusal | undefined>
  /** Told once for each coordinator in turn. */
  readonly onDecided: (coordinator: CoordinatorIdentity, refusal: AdmissionRefusal | undefined) => void
}

interface Asked {
  readonly coordinator: CoordinatorIdentity
  readonly answer: Promise<AdmissionRefusal | undefined>
}

export class Admissions {
  readonly #options: AdmissionsOptions
  /** The last of each log. */
  readonly #asked = new Map<LogId, Asked>()
  #told = ''

  constructor(options: AdmissionsOptions) {
    this.#options = options
  }

  /** Throws EPOCH_SUPERSEDED, or UNAVAILABLE where the participant could not tell. */
  async require(coordinator: CoordinatorIdentity, options: { readonly anew: boolean }): Promise<void> {
    const known = this.#asked.get(coordinator.logId)
    const isKnown = known !== undefined && known.coordinator.epoch === coordinator.epoch
    const asked = isKnown && !options.anew ? known : this.#ask(coordinator)
    const refusal = await asked.answer
    this.#tell(coordinator, refusal)
    if (refusal === undefined) return
    if (this.#asked.get(coordinator.logId) === asked) this.#asked.delete(coordinator.logId)
    throw new PledgedError(refusal.superseded ? 'EPOCH_SUPERSEDED' : 'UNAVAILABLE', refusal.message)
  }

  #ask(coordinator: CoordinatorIdentity): Asked {
    const asked = { coordinator, answer: this.#options.admit(coordinator) }
    this.#asked.delete(coordinator.logId)
    this.#asked.set(coordinator.logId, asked)
    const [oldest] = this.#asked.keys()
    if (this.#asked.size > LOGS_MAX && oldest !== undefined) this.#asked.delete(oldest)
    return asked
  }

  #tell(coordinator: CoordinatorIdentity, refusal: AdmissionRefusal | undefined): void {
    const news = `${coordinator.logId} ${coordinator.epoch} ${refusal?.message ?? ''}`
    if (news === this.#told) return
    this.#told = news
    this.#options.onDecided(coordinator, refusal)
  }
}
