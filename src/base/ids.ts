/**
 * Names of transactions. `xid = <logId>.<epoch>.<sequence>`, for example `k3f9qa7m2xw4.7-q3f9.1042`.
 * The log id says which log may presume anything about the xid, the epoch which opening of that log issued
 * it, the sequence orders it within the epoch.
 */

import { assert } from './assert.ts'
import { PledgedError } from './errors.ts'
import type { Random } from './ports.ts'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** 12 characters of Crockford's base32 in lower case, drawn when the log is created. */
export type LogId = Branded<string, 'LogId'>
/** `7-q3f9`: a number raised durably at each opening of the log, and 4 characters drawn at that opening. */
export type Epoch = Branded<string, 'Epoch'>
/** `<logId>.<epoch>.<sequence>`: at most 63 characters. */
export type Xid = Branded<string, 'Xid'>

/** A place in the order of a log's xids. */
export interface XidPosition {
  readonly epochNumber: number
  readonly sequence: number
}

export interface XidParts extends XidPosition {
  readonly logId: LogId
  readonly epoch: Epoch
}

/** The digits of base 32 (Crockford): nothing in it is mistaken for another when it is read aloud. */
export const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
const LOG_ID = /^[0-9a-hjkmnp-tv-z]{12}$/
const EPOCH = /^([1-9][0-9]{0,8})-([0-9a-hjkmnp-tv-z]{4})$/
const XID = /^([0-9a-hjkmnp-tv-z]{12})\.(([1-9][0-9]{0,8})-[0-9a-hjkmnp-tv-z]{4})\.([1-9][0-9]{0,14})$/
const PARTICIPANT = /^[a-z0-9](?:[a-z0-9-]{0,31})$/

export function drawLogId(random: Random): LogId {
  return draw(random, 12) as LogId
}

export function drawEpoch(number: number, random: Random): Epoch {
  assert(Number.isSafeInteger(number) && number >= 1 && number < 1e9, 'an epoch number is 1 to 999,999,999')
  return `${number}-${draw(random, 4)}` as Epoch
}

export function formatXid(parts: { logId: LogId; epoch: Epoch; sequence: number }): Xid {
  assert(parts.sequence >= 1 && Number.isSafeInteger(parts.sequence), 'a sequence starts at 1')
  return `${parts.logId}.${parts.epoch}.${parts.sequence}` as Xid
}

/** The parts of a well-formed xid, or undefined. */
export function tryParseXid(text: string): XidParts | undefined {
  const match = XID.exec(text)
  if (match === null) return undefined
  return {
    logId: match[1] as LogId,
    epoch: match[2] as Epoch,
    epochNumber: Number(match[3]),
    sequence: Number(match[4]),
  }
}

/** The parts of an xid that a caller gave. Throws MALFORMED_XID with what was wrong. */
export function parseXid(text: string): XidParts {
  const parts = tryParseXid(text)
  if (parts !== undefined) return parts
  throw new PledgedError(
    'MALFORMED_XID',
    `${JSON.stringify(text)} is not an xid: expected LOG.EPOCH.SEQUENCE, for example k3f9qa7m2xw4.7-q3f9.1042`,
  )
}

export function xidOf(text: string): Xid {
  if (!isXid(text)) parseXid(text)
  return text as Xid
}

/** Costs a fraction of what its parts do. */
export function isXid(text: string): text is Xid {
  return XID.test(text)
}

export function epochNumber(epoch: Epoch): number {
  const match = EPOCH.exec(epoch)
  assert(match !== null, 'an Epoch is well-formed')
  return Number(match[1])
}

/** Orders xids of one log: negative when `left` is the older. */
export function compareXids(left: XidPosition, right: XidPosition): number {
  return left.epochNumber - right.epochNumber || left.sequence - right.sequence
}

export function isLogId(text: string): text is LogId {
  return LOG_ID.test(text)
}

export function isEpoch(text: string): text is Epoch {
  return EPOCH.test(text)
}

/** A branch is named after its participant: 1 to 32 of a-z, 0-9, '-'. */
export function isParticipantName(text: string): boolean {
  return PARTICIPANT.test(text)
}

function draw(random: Random, length: number): string {
  let text = ''
  for (let index = 0; index < length; index += 1) text += CROCKFORD[random.below(CROCKFORD.length)]
  return text
}
