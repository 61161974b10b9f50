/** Whether a person is needed, for monitors: https://nagios-plugins.org/doc/guidelines.html */
import type { GetStatusResponse } from '../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantState, type ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import { milliseconds } from './message-values.ts'
import { counted, listed, oneLine } from './text.ts'

/** The plugins' exit codes. */
export const HEALTH_EXIT = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const
export type Level = keyof typeof HEALTH_EXIT

export interface Thresholds {
  readonly warningMs: number
  readonly criticalMs: number
}

export interface Health {
  readonly level: Level
  /** Undefined: the daemon didn't say. */
  readonly inDoubt?: number | undefined
  readonly oldestInDoubtMs?: number | undefined
  readonly heuristics?: number | undefined
  readonly message: string
}

interface Finding {
  readonly level: Level
  readonly text: string
}

const NAMES_SHOWN_MAX = 3

export function healthOf(status: GetStatusResponse, thresholds: Thresholds): Health {
  const oldestInDoubtMs = milliseconds(status.oldestInDoubt)
  const findings = [doubtFinding(status, oldestInDoubtMs, thresholds), ...otherFindings(status)]
  return {
    level: worst(findings),
    inDoubt: status.inDoubt,
    oldestInDoubtMs,
    heuristics: status.heuristics,
    message: findings.map(({ text }) => oneLine(text)).join('; '),
  }
}

/** `CRITICAL 1 in doubt, oldest 74s (offsets) | in_doubt=1 oldest=74s;30;60` */
export function nagiosLine(health: Health, { warningMs, criticalMs }: Thresholds): string {
  // A bar would begin the figures.
  const text = `${health.level.toUpperCase()} ${health.message.replaceAll('|', '/')}`
  const { inDoubt, oldestInDoubtMs, heuristics } = health
  if (inDoubt === undefined || (inDoubt === 0 && heuristics === 0)) return text
  const oldest = `oldest=${Math.floor((oldestInDoubtMs ?? 0) / 1_000)}s;${warningMs / 1_000};${criticalMs / 1_000}`
  const figures = [`in_doubt=${inDoubt}`, oldest, ...(heuristics === 0 ? [] : [`heuristics=${heuristics}`])]
  return `${text} | ${figures.join(' ')}`
}

function doubtFinding(
  status: GetStatusResponse,
  oldestMs: number | undefined,
  thresholds: Thresholds,
): Finding {
  if (oldestMs === undefined) return { level: 'ok', text: `${status.inDoubt} in doubt` }
  const names = status.participants.filter(({ inDoubt }) => inDoubt > 0).map(({ name }) => name)
  const held = names.length === 0 ? '' : ` (${shortList(names)})`
  const text = `${status.inDoubt} in doubt, oldest ${Math.floor(oldestMs / 1_000)}s${held}`
  if (oldestMs > thresholds.criticalMs) return { level: 'critical', text }
  return { level: oldestMs > thresholds.warningMs ? 'warning' : 'ok', text }
}

function otherFindings({ heuristics, logFailure, draining, participants }: GetStatusResponse): Finding[] {
  const findings: Finding[] = []
  if (heuristics > 0) findings.push({ level: 'critical', text: counted(heuristics, 'broken pledge') })
  if (logFailure !== undefined)
    findings.push({ level: 'critical', text: `the log failed: ${logFailure.message}` })
  if (draining) findings.push({ level: 'warning', text: 'shutting down' })
  const quarantined = namesOf(participants, ({ state }) => state === ParticipantState.QUARANTINED)
  if (quarantined.length > 0)
    findings.push({ level: 'warning', text: `quarantined: ${shortList(quarantined)}` })
  const paused = namesOf(participants, ({ pause }) => pause !== undefined)
  if (paused.length > 0) findings.push({ level: 'warning', text: `paused: ${shortList(paused)}` })
  // Those of a log that lives are its daemon's to end, and come and go.
  const withForeign = namesOf(
    participants,
    ({ foreignBranches, foreignBranchesOfLivingLogs: living }) => foreignBranches > living,
  )
  if (withForeign.length > 0) {
    findings.push({ level: 'warning', text: `branches of other logs at ${shortList(withForeign)}` })
  }
  return findings
}

function namesOf(
  participants: readonly ParticipantStatus[],
  isMeant: (participant: ParticipantStatus) => boolean,
): string[] {
  return participants.filter(isMeant).map(({ name }) => name)
}

function shortList(names: readonly string[]): string {
  if (names.length <= NAMES_SHOWN_MAX) return names.join(', ')
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ')
  return listed([shown, `${names.length - NAMES_SHOWN_MAX} more`])
}

function worst(findings: readonly Finding[]): Level {
  const levels = findings.map(({ level }) => level)
  return levels.reduce((left, right) => (HEALTH_EXIT[left] >= HEALTH_EXIT[right] ? left : right))
}
