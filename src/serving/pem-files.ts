/**
 * Certificates and keys in their files, as either end of a connection reads them. Whatever is wrong is CONFIGURATION, with the
 * file and what is wrong with it, found when the file is read and not when somebody connects.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { messageOf, PledgedError } from '../base/errors.ts'
import { readSmallFile } from '../base/small-file.ts'

export interface KeyPairFiles {
  /** One's own certificate first, then those between it and its authority. */
  readonly certFile: string
  readonly keyFile: string
}

export interface KeyPair {
  readonly cert: Buffer
  readonly key: Buffer
  /** The first in the file: one's own. */
  readonly certificate: X509Certificate
}

export interface Certificates {
  readonly pem: Buffer
  readonly first: X509Certificate
}

const PEM_BYTES_MAX = 1 << 20

/** Throws CONFIGURATION. */
export function readKeyPair({ certFile, keyFile }: KeyPairFiles): KeyPair {
  const { pem: cert, first: certificate } = readCertificates(certFile)
  const key = readPem(keyFile)
  if (!certificate.checkPrivateKey(privateKeyOf(keyFile, key)))
    throw pemMistake(
      keyFile,
      `is not the key of the certificate in ${certFile}: name the two that belong together`,
    )
  return { cert, key, certificate }
}

/** Throws CONFIGURATION. */
export function readCertificates(file: string): Certificates {
  const pem = readPem(file)
  try {
    return { pem, first: new X509Certificate(pem) }
  } catch (error) {
    throw pemMistake(
      file,
      'holds no certificate: it has to be PEM, with a line -----BEGIN CERTIFICATE-----',
      error,
    )
  }
}

export function pemMistake(file: string, why: string, cause?: unknown): PledgedError {
  return new PledgedError('CONFIGURATION', `${file} ${why}`, { cause })
}

function readPem(file: string): Buffer {
  try {
    return Buffer.from(readSmallFile(file, PEM_BYTES_MAX).text)
  } catch (error) {
    throw pemMistake(file, `can not be read: ${messageOf(error)}`, error)
  }
}

function privateKeyOf(file: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const why = pem.includes('ENCRYPTED')
      ? 'is encrypted, and there is nobody to ask for its passphrase: write it without one, readable by its owner alone'
      : 'holds no private key: it has to be PEM, with a line -----BEGIN PRIVATE KEY-----'
    throw pemMistake(file, why, error)
  }
}
