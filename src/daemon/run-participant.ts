/**
 * `pledged participant serve`: a built-in participant as a process of its own, which attaches to a daemon, or listens
 * for one.
 */
import { openParticipant } from '../../participants/registry.ts'
import type { CrashPoints } from '../base/crash-points.ts'
import { ERROR_CODES, PledgedError } from '../base/errors.ts'
import { armCrashPoints } from '../embedding/armed-crash-points.ts'
import {
  type AttachmentEvent,
  attachParticipant,
  type ListeningEvent,
  listenParticipant,
  type Participant,
} from '../sdk/participant/index.ts'
import type { Environment } from './options.ts'
import { type ParticipantOptions, resourceOf, serverTlsOf } from './participant-options.ts'
import { ReportedParticipant } from './reported-participant.ts'
import { say } from './say.ts'
import { listenToSignals } from './signals.ts'

const EXIT_DONE = 0

/**
 * Resolves with the exit code after SIGTERM or SIGINT; until then it attaches, again and again, or listens, and tells
 * on standard error how that goes. Rejects where the resource can't keep a pledge as it is, with what mends it.
 */
export async function runParticipant(
  options: ParticipantOptions,
  env: Environment = process.env,
): Promise<number> {
  const { name } = options
  const { resource, warning } = resourceOf(options, env)
  const crashPoints = armCrashPoints(env)
  const signals = listenToSignals(() => process.exit(EXIT_DONE))
  try {
    if (warning !== undefined) say(`${name}: ${warning}`)
    const participant = new ReportedParticipant(openParticipant(name, resource), (text) => {
      say(`${name}: ${text}`)
    })
    await checkResource(participant)
    const serving = await serve(participant, options, crashPoints)
    await signals.first
    await serving.close()
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

interface Serving {
  close(): Promise<void>
}

async function serve(
  participant: ReportedParticipant,
  { name, address, listen, insecure, tokenFile, tls }: ParticipantOptions,
  crashPoints: CrashPoints,
): Promise<Serving> {
  const tell = (event: AttachmentEvent | ListeningEvent): void => {
    if (event.type === 'attached' || event.type === 'admitted') participant.attached()
    say(`${name} ${sentenceOf(event)}`)
  }
  if (listen === undefined)
    return attachParticipant({ name, participant, address, tokenFile, tls, crashPoints, onEvent: tell })
  return await listenParticipant({
    name,
    participant,
    listen,
    insecure,
    tokenFile,
    tls: serverTlsOf(tls),
    crashPoints,
    onEvent: tell,
  })
}

function sentenceOf(event: AttachmentEvent | ListeningEvent): string {
  switch (event.type) {
    case 'attached':
      return `attached to ${event.address} (log ${event.logId}, epoch ${event.epoch})`
    case 'detached':
      return `detached: ${event.reason}; ${again(event.retryInMs)}`
    case 'listening':
      return `listens at ${event.address}`
    case 'admitted':
      return `is called by the log ${event.logId}, epoch ${event.epoch}`
    case 'refused':
      return 'retryInMs' in event
        ? `was refused: ${event.reason}; ${again(event.retryInMs)}`
        : `refuses its caller: ${event.reason}`
    case 'failed':
      return 'retryInMs' in event
        ? `could not attach: ${event.reason}; ${again(event.retryInMs)}`
        : `can't be served yet: ${event.reason}; the next call tries again`
    case 'secrets':
      return event.rotation.text
  }
}

function again(inMs: number): string {
  return `trying again in ${(inMs / 1_000).toFixed(1)}s`
}
