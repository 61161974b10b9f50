import { describe, expect, it } from 'vitest'
import type { ListTransactionsRequest } from '../wire/generated/pledged/v1/admin_service.ts'
import { Transaction } from '../wire/generated/pledged/v1/transaction.ts'
import { parseXidArgument, resolveXid, type XidSource } from './xid-argument.ts'

const LOG = 'k3f9qa7m2xw4'

describe('what is typed', () => {
  it.each([
    [`${LOG}.7-q3f9.1042`, { type: 'whole', xid: `${LOG}.7-q3f9.1042` }],
    ['7-q3f9.1042', { type: 'epoch', epoch: '7-q3f9', sequence: 1042 }],
    ['7.1042', { type: 'number', epochNumber: 7, sequence: 1042 }],
  ])('%s', (text, argument) => {
    expect(parseXidArgument(text)).toEqual(argument)
  })

  it.each([
    '',
    '7',
    '7.',
    '.1',
    '0.1',
    '7.0',
    '7.01',
    '7.1.1',
    '7-q3f.1',
    '7-Q3F9.1',
    'x.7-q3f9.1',
    `${LOG}.7.1`,
    '7.1 ',
  ])('%j is malformed', (text) => {
    expect(() => parseXidArgument(text)).toThrow(expect.objectContaining({ code: 'MALFORMED_XID' }))
  })
})

/** A log in its epoch 9, with these transactions in its list, in pages of two. */
function sourceOf(xids: readonly string[]): XidSource & { readonly requests: ListTransactionsRequest[] } {
  const requests: ListTransactionsRequest[] = []
  return {
    requests,
    status: () => Promise.resolve({ logId: LOG, epoch: '9-zzzz' }),
    transactions: (request) => {
      requests.push(request)
      const from = Number(request.pageToken)
      const transactions = xids
        .slice(from, from + 2)
        .map((xid) => Transaction.fromPartial({ xid: `${LOG}.${xid}`, endTime: new Date(0) }))
      return Promise.resolve({ transactions, nextPageToken: from + 2 < xids.length ? String(from + 2) : '' })
    },
  }
}

const listed = ['9-zzzz.5', '8-bbbb.9', '8-bbbb.2', '7-q3f9.3', '6-aaaa.1', '5-cccc.1', '4-dddd.1']

describe('what it stands for', () => {
  it('completes an epoch in full with the log', async () => {
    const source = sourceOf([])
    await expect(resolveXid(parseXidArgument('7-q3f9.1042'), source)).resolves.toBe(`${LOG}.7-q3f9.1042`)
    expect(source.requests).toEqual([])
  })

  it('knows the current epoch without the list', async () => {
    const source = sourceOf([])
    await expect(resolveXid(parseXidArgument('9.77'), source)).resolves.toBe(`${LOG}.9-zzzz.77`)
    expect(source.requests).toEqual([])
  })

  it('finds an earlier epoch on a later page, also for a sequence that is not in the list', async () => {
    const source = sourceOf(listed)
    await expect(resolveXid(parseXidArgument('7.1042'), source)).resolves.toBe(`${LOG}.7-q3f9.1042`)
    expect(source.requests.map(({ pageToken }) => pageToken)).toEqual(['', '2'])
    expect(source.requests[0]?.includeEnded).toBe(true)
  })

  it('stops looking once the list has passed the epoch', async () => {
    const source = sourceOf(listed.filter((xid) => !xid.startsWith('7')))
    await expect(resolveXid(parseXidArgument('7.1042'), source)).rejects.toMatchObject({
      code: 'XID_NOT_FOUND',
      message: expect.stringContaining('give the whole xid'),
    })
    expect(source.requests.length).toBe(2)
  })

  it('says that no such epoch was opened yet', async () => {
    await expect(resolveXid(parseXidArgument('10.1'), sourceOf(listed))).rejects.toMatchObject({
      code: 'XID_NOT_FOUND',
      message: expect.stringContaining('no epoch after 9-zzzz'),
    })
  })

  it('refuses to guess between two openings of the same number', async () => {
    const source = sourceOf(['7-q3f9.3', '7-xxxx.3'])
    await expect(resolveXid(parseXidArgument('7.3'), source)).rejects.toMatchObject({
      code: 'MALFORMED_XID',
      message: expect.stringContaining('7-q3f9.3, 7-xxxx.3'),
    })
  })
})
