/**
 * The XID of a command: whole, or as short as a person likes to type it. `EPOCH.SEQUENCE` names a transaction of
 * the daemon's own log, with the epoch in full (`7-q3f9.1042`) or by its number (`7.1042`).
 */
import { PledgedError } from '../base/errors.ts'
import { type Epoch, formatXid, isEpoch, isLogId, parseXid, tryParseXid, type Xid } from '../base/ids.ts'
import type {
  GetStatusResponse,
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../wire/generated/pledged/v1/admin_service.ts'
import { PAGE_SIZE_MAX } from './admin-client.ts'

export type XidArgument =
  | { readonly type: 'whole'; readonly xid: Xid }
  | { readonly type: 'epoch'; readonly epoch: Epoch; readonly sequence: number }
  | { readonly type: 'number'; readonly epochNumber: number; readonly sequence: number }

/** What is asked of the daemon to complete one. */
export interface XidSource {
  status(): Promise<Pick<GetStatusResponse, 'logId' | 'epoch'>>
  transactions(
    request: ListTransactionsRequest,
  ): Promise<Pick<ListTransactionsResponse, 'transactions' | 'nextPageToken'>>
}

const BY_NUMBER = /^([1-9]\d{0,8})\.([1-9]\d{0,14})$/
const BY_EPOCH = /^([^.]+)\.([1-9]\d{0,14})$/

/** Throws MALFORMED_XID. */
export function parseXidArgument(text: string): XidArgument {
  if (tryParseXid(text) !== undefined) return { type: 'whole', xid: text as Xid }
  const byNumber = BY_NUMBER.exec(text)
  if (byNumber !== null) {
    return { type: 'number', epochNumber: Number(byNumber[1]), sequence: Number(byNumber[2]) }
  }
  const [, epoch = '', sequence = ''] = BY_EPOCH.exec(text) ?? []
  if (isEpoch(epoch)) return { type: 'epoch', epoch, sequence: Number(sequence) }
  throw new PledgedError(
    'MALFORMED_XID',
    `${JSON.stringify(text)} is not an xid: give LOG.EPOCH.SEQUENCE, for example k3f9qa7m2xw4.7-q3f9.1042, or EPOCH.SEQUENCE, for example 7.1042; \`pledged tx list --all\` shows what there is`,
  )
}

/** As a person types one of the daemon's own log: `7.1042`. */
export function shortXid(xid: Xid): string {
  const { epochNumber, sequence } = parseXid(xid)
  return `${epochNumber}.${sequence}`
}

/** Throws XID_NOT_FOUND, and MALFORMED_XID where it could be one of several. */
export async function resolveXid(argument: XidArgument, source: XidSource): Promise<Xid> {
  if (argument.type === 'whole') return argument.xid
  const { logId, epoch: current } = await source.status()
  if (!isLogId(logId) || !isEpoch(current)) {
    throw new PledgedError(
      'INTERNAL',
      'the daemon names its log and its epoch in a form that this version does not know',
    )
  }
  const { sequence } = argument
  const epoch = argument.type === 'epoch' ? argument.epoch : await findEpoch(argument, { current, source })
  return formatXid({ logId, epoch, sequence })
}

interface Place {
  readonly epochNumber: number
  readonly sequence: number
}

/** The four characters that the log drew for an epoch are known of the current one, and of every listed xid. */
async function findEpoch(wanted: Place, from: { current: Epoch; source: XidSource }): Promise<Epoch> {
  const currentNumber = Number.parseInt(from.current, 10)
  if (wanted.epochNumber === currentNumber) return from.current
  if (wanted.epochNumber > currentNumber) {
    throw notFound(wanted, `the log has opened no epoch after ${from.current}`)
  }
  const epochs = await listedEpochs(wanted, from.source)
  const [epoch, another] = [...epochs]
  if (epoch === undefined) {
    throw notFound(
      wanted,
      `no transaction of epoch ${wanted.epochNumber} is listed any more: give the whole xid`,
    )
  }
  if (another === undefined) return epoch
  const candidates = [...epochs].map((one) => `${one}.${wanted.sequence}`).join(', ')
  throw new PledgedError(
    'MALFORMED_XID',
    `${wanted.epochNumber}.${wanted.sequence} could be one of several: give the epoch in full (${candidates})`,
  )
}

/** Ended transactions are listed newest first: once the list has passed the epoch, nothing of it follows. */
async function listedEpochs(wanted: Place, source: XidSource): Promise<ReadonlySet<Epoch>> {
  const epochs = new Set<Epoch>()
  let pageToken = ''
  let passed = false
  do {
    const page = await source.transactions({ ...EVERYTHING, pageToken })
    for (const { xid, endTime } of page.transactions) {
      const parts = tryParseXid(xid)
      if (parts?.epochNumber === wanted.epochNumber) epochs.add(parts.epoch)
      passed ||= endTime !== undefined && parts !== undefined && parts.epochNumber < wanted.epochNumber
    }
    pageToken = page.nextPageToken
  } while (pageToken !== '' && !passed && epochs.size === 0)
  return epochs
}

const EVERYTHING: Omit<ListTransactionsRequest, 'pageToken'> = {
  pageSize: PAGE_SIZE_MAX,
  states: [],
  participant: '',
  inDoubt: false,
  heuristic: false,
  minAge: undefined,
  includeEnded: true,
}

function notFound({ epochNumber, sequence }: Place, why: string): PledgedError {
  return new PledgedError('XID_NOT_FOUND', `there is no transaction ${epochNumber}.${sequence}: ${why}`)
}
