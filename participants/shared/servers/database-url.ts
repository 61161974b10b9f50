/** What the URLs of all databases have in common. No message contains the URL, since it has a password in it. */
import { readFileSync } from 'node:fs'
import { messageOf, PledgedError } from '../../../src/sdk/participant/index.ts'

export interface UrlForm {
  /** How such a URL is written, for people. */
  readonly form: string
  /** Those that are taken, with their colon. */
  readonly protocols: readonly string[]
  readonly participant: string
}

/** Throws CONFIGURATION unless each part of it can be decoded. */
export function readDatabaseUrl(text: string, { form, protocols, participant }: UrlForm): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // Without the slashes, what stands after the colon is a path to the URL standard, user and password included.
  const isWhole = url !== undefined && text.trimStart().slice(url.protocol.length).startsWith('//')
  if (!isWhole || !protocols.includes(url.protocol)) {
    throw mistakenUrl(participant, `is not of the form ${form}`)
  }
  for (const part of [url.username, url.password, url.hostname, url.pathname]) {
    try {
      decodeURIComponent(part)
    } catch {
      throw mistakenUrl(participant, 'has a % that is not part of an escape: write it %25')
    }
  }
  return url
}

/** A sentence's end for each parameter that isn't one of those. */
export function unknownParameters(url: URL, known: readonly string[]): string[] {
  return [...new Set(url.searchParams.keys())]
    .filter((name) => !known.includes(name))
    .map((name) => {
      // Without a user, what looks like a parameter may be a password with a question mark in it.
      const shown = `${url.username}${url.password}` === '' ? 'a parameter' : `the parameter ${name}`
      return `has ${shown}, which is not one of ${known.join(', ')}`
    })
}

/** The file that the parameter names; undefined without it. Throws CONFIGURATION when it can't be read. */
export function readNamedFile(url: URL, parameter: string, participant: string): Buffer | undefined {
  const file = url.searchParams.get(parameter)
  if (file === null) return undefined
  try {
    return readFileSync(file)
  } catch (error) {
    throw mistakenUrl(participant, `has an ${parameter} that can not be read: ${messageOf(error)}`)
  }
}

export function mistakenUrl(participant: string, what: string): PledgedError {
  return new PledgedError('CONFIGURATION', `the url of participant "${participant}" ${what}`)
}
