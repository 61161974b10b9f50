/** Whose certificate it is: by its names, once TLS has found it good. */
import type { PeerCertificate } from 'node:tls'
import type { Identity } from './identity.ts'

export interface CertificateEntry {
  readonly identity: Identity
  /** A DNS or URI name of the certificate; or, of one that has neither, its common name. */
  readonly subject: string
}

export class CertificateIdentities {
  readonly #bySubject: ReadonlyMap<string, Identity>

  constructor(entries: readonly CertificateEntry[]) {
    this.#bySubject = new Map(entries.map(({ subject, identity }) => [subject.toLowerCase(), identity]))
  }

  /** Undefined: nobody that is known; or more than one, and then it can't be told which. */
  identify(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): Identity | undefined {
    const found = new Set<Identity>()
    for (const name of namesOf(certificate)) {
      const identity = this.#bySubject.get(name.toLowerCase())
      if (identity !== undefined) found.add(identity)
    }
    return found.size === 1 ? [...found][0] : undefined
  }
}

/** RFC 6125, 6.4.4: the common name counts only where there is no other. */
function namesOf({ subject, subjectaltname }: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string[] {
  const names = alternativeNames(subjectaltname ?? '')
  if (names === undefined) return []
  if (names.length > 0) return names
  const common: unknown = subject.CN
  return typeof common === 'string' ? [common] : []
}

/** A name that holds a comma, say, comes quoted as JSON: CVE-2021-44532 was one name that looked like two. */
const NAME = /(?:^|, )([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,"]*)/y

/** Undefined: the text isn't what Node writes, and nobody's name is read out of it. */
function alternativeNames(text: string): string[] | undefined {
  const names: string[] = []
  NAME.lastIndex = 0
  for (let end = 0; end < text.length; end = NAME.lastIndex) {
    const match = NAME.exec(text)
    if (match === null) return undefined
    const [, type, value = ''] = match
    if (type === 'DNS' || type === 'URI') names.push(unquoted(value))
  }
  return names
}

function unquoted(value: string): string {
  return value.startsWith('"') ? String(JSON.parse(value)) : value
}
