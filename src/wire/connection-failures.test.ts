import { describe, expect, it } from 'vitest'
import { connectionFailure, securityFailure } from './connection-failures.ts'

/** As grpc-js wraps what Node.js and OpenSSL say. */
function last(error: string): string {
  return `No connection established. Last error: ${error}. Resolution note: `
}

function ssl(reason: string): string {
  return `40ED68A99C7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 116`
}

describe('a failure of security', () => {
  it.each([
    ['Error: certificate has expired', /the certificate of the daemon has expired/],
    ['Error: certificate is not yet valid', /is not valid yet: is the clock/],
    [
      "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: here. is not in the cert's altnames: DNS:there",
      /is for other names \(.*DNS:there\): use one of its names/,
    ],
    [
      'Error: unable to verify the first certificate; if the root CA is installed',
      /isn't trusted here: name its authority/,
    ],
    ['Error: self-signed certificate in certificate chain', /isn't trusted here/],
    ['Error: unable to get local issuer certificate', /isn't trusted here/],
    [
      ssl('tlsv13 alert certificate required'),
      /the daemon asks for a certificate of this side: name one, and its key/,
    ],
    [ssl('ssl/tls alert certificate expired'), /takes the certificate of this side for expired/],
    [ssl('tlsv1 alert unknown ca'), /doesn't take the certificate of this side/],
    [ssl('ssl/tls alert bad certificate'), /doesn't take the certificate of this side/],
    [ssl('wrong version number'), /the daemon doesn't speak TLS: leave out --tls-ca/],
    [ssl('tlsv1 alert protocol version'), /don't get along \(tlsv1 alert protocol version\)/],
    [
      'Failed to connect (2026-11-21T19:21:18.457Z)',
      /hung up at once: if it speaks TLS and this side doesn't/,
    ],
    [
      'Error: Client network socket disconnected before secure TLS connection was established',
      /hung up at once: .* or it takes no more connections/,
    ],
    [
      "Error: this side's certificate has expired on 2026-01-01T00:00:00.000Z: replace a.pem and a.key",
      /^this side's certificate has expired on 2026-01-01T00:00:00.000Z: replace a.pem and a.key$/,
    ],
  ])('is told from %s', (text, sentence) => {
    expect(securityFailure(last(text), 'the daemon')).toMatch(sentence)
  })

  it.each(['connect ECONNREFUSED 127.0.0.1:7420', 'connect ENOENT /run/x.sock', 'read ECONNRESET'])(
    'is not %s',
    (text) => {
      expect(securityFailure(last(text), 'the daemon')).toBeUndefined()
      expect(connectionFailure(last(text))).not.toBe(last(text))
    },
  )
})
