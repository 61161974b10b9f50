/** `pledged participant serve`: a built-in participant as a process of its own, attached to a daemon. */
import { openParticipant } from '../../participants/registry.ts'
import { ERROR_CODES, PledgedError } from '../base/errors.ts'
import { type AttachmentEvent, attachParticipant, type Participant } from '../sdk/participant/index.ts'
import { armCrashPoints } from './armed-crash-points.ts'
import type { Environment } from './options.ts'
import { ReportedParticipant } from './reported-participant.ts'
import { say } from './say.ts'
import { listenToSignals } from './signals.ts'

export interface ParticipantOptions {
  /** 'sqlite' or 'offsets'. */
  readonly kind: string
  readonly name: string
  readonly file: string
  /** Of the daemon: HOST:PORT or unix:PATH. Left out: PLEDGED_ADDRESS, then the default. */
  readonly address?: string | undefined
  /** Of kind sqlite: named statements. Given, it takes no others. */
  readonly statements?: Readonly<Record<string, string>> | undefined
}

const EXIT_DONE = 0

/**
 * Resolves with the exit code after SIGTERM or SIGINT; until then it attaches, again and again, and tells on
 * standard error how that goes. Rejects where the resource can't keep a pledge as it is, with what mends it.
 */
export async function runParticipant(
  options: ParticipantOptions,
  env: Environment = process.env,
): Promise<number> {
  const { kind, name, file, address, statements } = options
  const crashPoints = armCrashPoints(env)
  const signals = listenToSignals(() => process.exit(EXIT_DONE))
  try {
    const participant = new ReportedParticipant(openParticipant(kind, { file, statements }), (text) => {
      say(`${name}: ${text}`)
    })
    await checkResource(participant)
    const attachment = attachParticipant({
      name,
      participant,
      address,
      crashPoints,
      onEvent: (event) => {
        if (event.type === 'attached') participant.attached()
        say(`${name} ${sentenceOf(event)}`)
      },
    })
    await signals.first
    await attachment.close()
    say(`${name} stopped; what it holds prepared waits for its return`)
    return EXIT_DONE
  } finally {
    signals.close()
  }
}

/** What no waiting mends ends the process with its sentence; anything else is tried again at each attach. */
async function checkResource(participant: Participant): Promise<void> {
  try {
    await participant.describe()
  } catch (error) {
    if (!(error instanceof PledgedError) || ERROR_CODES[error.code].retryable) return
    await participant.close()
    throw error
  }
}

function sentenceOf(event: AttachmentEvent): string {
  switch (event.type) {
    case 'attached':
      return `attached to ${event.address} (log ${event.logId}, epoch ${event.epoch})`
    case 'detached':
      return `detached: ${event.reason}; ${again(event.retryInMs)}`
    case 'refused':
      return `was refused: ${event.reason}; ${again(event.retryInMs)}`
    case 'failed':
      return `could not attach: ${event.reason}; ${again(event.retryInMs)}`
  }
}

function again(inMs: number): string {
  return `trying again in ${(inMs / 1_000).toFixed(1)}s`
}
