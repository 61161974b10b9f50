/**
 * Why no connection came about, in words. gRPC has nothing but the text of what the system, the TLS library or Node.js said;
 * this is the one place that knows those texts.
 */

/** In a few words, for a sentence that goes on to say what to do. */
export function connectionFailure(details: string): string {
  if (details.includes('ECONNREFUSED')) return 'connection refused'
  if (details.includes('ENOENT')) return 'there is no such socket'
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(details)) return 'the name has no address'
  if (/ECONNRESET|EPIPE|RST_STREAM|Connection dropped/.test(details)) return 'the connection was lost'
  return details
}

/**
 * What is wrong between the two ends' TLS, or that only one of them speaks it, and what to do about it; undefined where the
 * failure has nothing to do with that. `who`: "the daemon".
 */
export function securityFailure(details: string, who: string): string | undefined {
  const found = FAILURES.find(({ pattern }) => pattern.test(details))
  return found?.sentence(who, details)
}

interface Failure {
  readonly pattern: RegExp
  readonly sentence: (who: string, details: string) => string
}

const NAME_AUTHORITY = 'name its authority (--tls-ca, PLEDGED_TLS_CA, tls_ca_file; in code tls.caFile)'
const NAME_CERTIFICATE =
  'name one, and its key (--tls-cert and --tls-key, tls_cert_file and tls_key_file; in code tls.certFile and tls.keyFile)'

/** In this order: this side's own objections first, then what the other side has said before it hung up. */
const FAILURES: readonly Failure[] = [
  {
    pattern: /this side's certificate has expired/,
    sentence: (_who, details) =>
      /this side's certificate.*?(?=\. Resolution note|$)/s.exec(details)?.[0] ?? details,
  },
  {
    pattern: /certificate has expired/,
    sentence: (who) =>
      `the certificate of ${who} has expired: it needs a new one (or is the clock of this machine wrong?)`,
  },
  {
    pattern: /certificate is not yet valid/,
    sentence: (who) => `the certificate of ${who} is not valid yet: is the clock of this machine right?`,
  },
  {
    pattern: /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames/,
    sentence: (who, details) =>
      `the certificate of ${who} is for other names${namesIn(details)}: use one of its names as the address, or give it a certificate with this one`,
  },
  {
    pattern: /unable to verify the first certificate|self-signed certificate|unable to get (?:local )?issuer/,
    sentence: (who) =>
      `the certificate of ${who} comes from an authority that isn't trusted here: ${NAME_AUTHORITY}`,
  },
  {
    pattern: /alert certificate required|peer did not return a certificate/,
    sentence: (who) => `${who} asks for a certificate of this side: ${NAME_CERTIFICATE}`,
  },
  {
    pattern: /alert certificate expired/,
    sentence: (who) => `${who} takes the certificate of this side for expired: it needs a new one`,
  },
  {
    pattern: /alert (?:bad certificate|unknown ca|unsupported certificate|certificate (?:revoked|unknown))/,
    sentence: (who) =>
      `${who} doesn't take the certificate of this side: it has to come from the authority that is configured there`,
  },
  {
    pattern: /wrong version number|packet length too long|no TLS handshake/,
    sentence: (who) =>
      `${who} doesn't speak TLS: leave out --tls-ca, PLEDGED_TLS_CA and tls on this side, or configure TLS on that one`,
  },
  {
    pattern: /SSL routines|ERR_SSL_/,
    sentence: (who, details) =>
      `the TLS of ${who} and that of this side don't get along (${/SSL routines:[^:]*:([^:]*)/.exec(details)?.[1] ?? details})`,
  },
  {
    // The connection stood, and was closed before the other side had said anything in HTTP/2.
    pattern: /Failed to connect|Socket closed|before secure TLS connection/,
    sentence: (who) =>
      `it hung up at once: if it speaks TLS and this side doesn't, ${NAME_AUTHORITY}; if both do, it doesn't take the certificate of this side; or it takes no more connections, or isn't ${who}`,
  },
]

/** What Node.js quotes of the certificate, where it does. */
function namesIn(details: string): string {
  const names = /altnames: (.*?)(?:\. Resolution note|$)/s.exec(details)?.[1]?.trim()
  return names === undefined || names === '' ? '' : ` (${names})`
}
