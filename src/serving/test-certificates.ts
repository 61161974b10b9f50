/**
 * Authorities and certificates for tests, made when a test runs: nothing that expires is kept in the repository.
 */
import 'reflect-metadata'
import { randomUUID, type webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 24 * 3_600_000

export interface TestCertificate {
  /** PEM files in the authority's folder. */
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

export interface TestCertificateOptions {
  /** Default: none. */
  readonly commonName?: string | undefined
  /** Default: none. */
  readonly dns?: readonly string[] | undefined
  readonly ip?: readonly string[] | undefined
  readonly uri?: readonly string[] | undefined
  /** Its validity ended an hour ago. */
  readonly expired?: boolean | undefined
  /** Takes the place of the files that this name already has. Default: a name of its own. */
  readonly fileName?: string | undefined
}

export interface TestAuthority {
  /** What `client_ca_file` or `--tls-ca` names. */
  readonly caFile: string
  readonly ca: string
  issue(options: TestCertificateOptions): Promise<TestCertificate>
  /** For a server on this machine, by any of its local names. */
  issueForLocalhost(options?: TestCertificateOptions): Promise<TestCertificate>
}

export async function testAuthority(folder: string, name = 'Test authority'): Promise<TestAuthority> {
  const keys = await newKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 1, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })
  const ca = certificate.toString('pem')
  const caFile = join(folder, `ca-${randomUUID()}.pem`)
  writeFileSync(caFile, ca)

  const issue = async (options: TestCertificateOptions): Promise<TestCertificate> => {
    const ownKeys = await newKeys()
    const issued = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: options.commonName === undefined ? [] : [{ CN: [options.commonName] }],
      issuer: certificate.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + (options.expired === true ? -DAY_MS / 24 : DAY_MS)),
      signingAlgorithm: ALGORITHM,
      publicKey: ownKeys.publicKey,
      signingKey: keys.privateKey,
      extensions: alternativeNames(options),
    })
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', ownKeys.privateKey)
    const cert = issued.toString('pem')
    const key = PemConverter.encode(pkcs8, PemConverter.PrivateKeyTag)
    const base = join(folder, options.fileName ?? randomUUID())
    writeFileSync(`${base}.pem`, cert)
    writeFileSync(`${base}.key`, key, { mode: 0o600 })
    return { certFile: `${base}.pem`, keyFile: `${base}.key`, cert, key }
  }

  return {
    caFile,
    ca,
    issue,
    issueForLocalhost: (options = {}) => issue({ dns: ['localhost'], ip: ['127.0.0.1', '::1'], ...options }),
  }
}

function alternativeNames({
  dns = [],
  ip = [],
  uri = [],
}: TestCertificateOptions): SubjectAlternativeNameExtension[] {
  const names = [
    ...dns.map((value) => ({ type: 'dns', value }) as const),
    ...ip.map((value) => ({ type: 'ip', value }) as const),
    ...uri.map((value) => ({ type: 'url', value }) as const),
  ]
  return names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

function serialNumber(): string {
  return `00${randomUUID().replaceAll('-', '')}`
}
