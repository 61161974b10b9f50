import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CertificateIdentities } from './certificate-identities.ts'
import type { Identity } from './identity.ts'
import { type TestCertificateOptions, testAuthority } from './test-certificates.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-certificates-'))
const authority = await testAuthority(root)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const shop: Identity = { name: 'shop', role: 'application' }
const ops: Identity = { name: 'ops', role: 'operator' }
const known = new CertificateIdentities([
  { identity: shop, subject: 'shop.internal' },
  { identity: shop, subject: 'spiffe://example.org/shop' },
  { identity: ops, subject: 'Ops' },
])

async function whose(options: TestCertificateOptions): Promise<string | undefined> {
  const { cert } = await authority.issue(options)
  return known.identify(new X509Certificate(cert).toLegacyObject())?.name
}

describe('whose a certificate is', () => {
  it('is told by a DNS or URI name of it, whatever their case', async () => {
    expect(await whose({ dns: ['other.internal', 'SHOP.internal'] })).toBe('shop')
    expect(await whose({ uri: ['spiffe://example.org/shop'], commonName: 'ops' })).toBe('shop')
    expect(await whose({ dns: ['shop.internal'], uri: ['spiffe://example.org/shop'] })).toBe('shop')
  })

  it('is told by its common name where it has no other', async () => {
    expect(await whose({ commonName: 'ops' })).toBe('ops')
    expect(await whose({ commonName: 'ops', ip: ['127.0.0.1'] })).toBe('ops')
    expect(await whose({ commonName: 'ops', dns: ['else.internal'] })).toBeUndefined()
  })

  it('is nobody’s where no name is known, or names of two are in it', async () => {
    expect(await whose({})).toBeUndefined()
    expect(await whose({ dns: ['shop.internal.evil.example'] })).toBeUndefined()
    expect(await whose({ dns: ['shop.internal', 'ops'] })).toBeUndefined()
  })

  it('is not told by a name inside a name', () => {
    for (const subjectaltname of [
      'DNS:"evil.example, DNS:shop.internal"',
      'URI:"https://evil.example/, URI:spiffe://example.org/shop"',
      'DNS:evil.example, DirName:"CN=x, DNS:shop.internal"',
      'DNS:"\\u0000, DNS:shop.internal',
    ])
      expect(known.identify({ subject: { CN: 'ops' } as never, subjectaltname })).toBeUndefined()
  })
})
