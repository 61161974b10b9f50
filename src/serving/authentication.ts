/**
 * Who calls is found out once for each call, from its headers and its connection, before a message of it is read. Streams are
 * one call each: what comes over them later is as cheap as it was.
 *
 * A token counts before a certificate, and a wrong token isn't mended by a right certificate: it says that something is
 * set up otherwise than its owner believes. What a refusal says is the same whatever the daemon knows: it is no help in guessing.
 */
import type { PeerCertificate } from 'node:tls'
import type { Metadata } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'
import type { BearerTokens } from './bearer-tokens.ts'
import type { CertificateIdentities } from './certificate-identities.ts'
import type { Identity } from './identity.ts'

/** What is known of a call before its first message. */
export interface CallHeaders {
  /** `/pledged.v1.TransactionService/ExecuteTransaction` */
  readonly method: string
  readonly metadata: Metadata
  /** As `HOST:PORT`; a unix socket has none. */
  readonly peer: string
  readonly certificate: PeerCertificate | undefined
}

/** Throws UNAUTHENTICATED. */
export type Authenticate = (call: CallHeaders) => Identity

export interface AuthenticationOptions {
  readonly tokens?: BearerTokens | undefined
  readonly certificates?: CertificateIdentities | undefined
}

export function authenticator({ tokens, certificates }: AuthenticationOptions): Authenticate {
  return ({ metadata, certificate }) => {
    const token = bearerTokenOf(metadata)
    if (token !== undefined) {
      const identity = tokens?.identify(token)
      if (identity === undefined) throw refused('the token is not one that is known here')
      return identity
    }
    if (certificates === undefined || certificate === undefined)
      throw refused('who calls has to be known here')
    const identity = certificates.identify(certificate)
    if (identity === undefined) throw refused('the certificate is nobody that is known here')
    return identity
  }
}

const BEARER = /^Bearer +([^\s]+) *$/i

/** RFC 6750, 2.1. Undefined: none is given. */
function bearerTokenOf(metadata: Metadata): string | undefined {
  const given = metadata.get('authorization')
  if (given.length === 0) return undefined
  const match = given.length === 1 ? BEARER.exec(String(given[0])) : null
  if (match?.[1] === undefined) throw refused('the header authorization is not: Bearer TOKEN')
  return match[1]
}

function refused(why: string): PledgedError {
  return new PledgedError(
    'UNAUTHENTICATED',
    `${why}: give a token that is in auth.tokens of the daemon (--token-file, PLEDGED_TOKEN_FILE), or a certificate that is in auth.certificates`,
  )
}
