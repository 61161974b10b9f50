import { describe, expect, it } from 'vitest'
import { checkBranchName, objectionToName, xaLiteral, xidOfRow } from './names.ts'

const XID = 'k3f9qa7m2xw4.7-q3f9.1042'

describe('the name of a branch', () => {
  it('is recognisable', () => {
    expect(xaLiteral(XID, 'stock')).toBe(`'pledged/${XID}','stock'`)
  })

  it('fits with the longest xid and name that there are', () => {
    expect(objectionToName('k3f9qa7m2xw4.999999999-q3f9.999999999999999', 'a'.repeat(32))).toBeUndefined()
  })

  it('is refused, and not cut off, where it is longer than XA takes', () => {
    expect(objectionToName('x'.repeat(57), 'stock')).toMatch(/longer than the 64 bytes/)
    expect(objectionToName('x'.repeat(56), 'stock')).toBeUndefined()
    expect(objectionToName(XID, 'b'.repeat(65))).toMatch(/longer than the 64 bytes/)
  })

  it.each(["a'b", 'a\\b', 'a b', 'é', ''])('can not be %j', (branch) => {
    expect(objectionToName(XID, branch)).toMatch(/can not be part of a name/)
  })

  it('must be one of a participant', () => {
    expect(checkBranchName('stock')).toBe('stock')
    expect(() => checkBranchName('Stock')).toThrow(/not a participant's name/)
  })
})

describe('a row of XA RECOVER', () => {
  const row = (gtrid: string, bqual: string, formatID = 1) => ({
    formatID,
    gtrid_length: Buffer.byteLength(gtrid),
    bqual_length: Buffer.byteLength(bqual),
    data: Buffer.from(gtrid + bqual),
  })

  it('is ours by its exact name alone', () => {
    expect(xidOfRow(row(`pledged/${XID}`, 'stock'), 'stock')).toBe(XID)
    expect(xidOfRow({ ...row(`pledged/${XID}`, 'stock'), data: `pledged/${XID}stock` }, 'stock')).toBe(XID)
    expect(xidOfRow(row(`pledged/${XID}`, 'stock2'), 'stock')).toBeUndefined()
    expect(xidOfRow(row(`pledged/${XID}s`, 'tock'), 'stock')).toBeUndefined()
    expect(xidOfRow(row(`other/${XID}`, 'stock'), 'stock')).toBeUndefined()
    expect(xidOfRow(row(`pledged/${XID}`, 'stock', 2), 'stock')).toBeUndefined()
    expect(xidOfRow(row('ü', 'stock'), 'stock')).toBeUndefined()
  })
})
