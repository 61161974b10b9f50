/**
 * The URL of a database, as the daemon handles it: it holds a password, so no message repeats it, and where it is shown
 * at all, it is shown by `withoutPassword`. What it has to look like is for the participant to say.
 */
import { messageOf } from '../base/errors.ts'
import { exposureOf, readSmallFile, type SmallFile } from '../base/small-file.ts'
import { Mistake, parseText } from './values.ts'

/** Throws a Mistake, which doesn't repeat what was given. */
export function parseUrlText(value: unknown): string {
  if (typeof value !== 'string')
    throw new Mistake('it is not a text: write KIND://USER:PASSWORD@HOST:PORT/DATABASE')
  return parseText(value)
}

/** For people: who connects where. */
export function withoutPassword(text: string): string {
  const { protocol, username, host, pathname } = new URL(text)
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`
}

export interface UrlFile {
  readonly url: string
  /** A sentence about the file, where others than its owner and its group can read the password in it. */
  readonly warning: string | undefined
}

const URL_FILE_BYTES_MAX = 65_536

/** A line break at its end isn't part of the URL. Throws a Mistake. */
export function readUrlFile(file: string): UrlFile {
  const { text, mode } = readText(file)
  const warning = exposureOf(file, mode, 'a password')
  if (text.trimEnd() === '') throw new Mistake(`${file} is empty: write the URL of the database into it`)
  return { url: parseUrlText(text.trimEnd()), warning }
}

function readText(file: string): SmallFile {
  try {
    return readSmallFile(file, URL_FILE_BYTES_MAX)
  } catch (error) {
    throw new Mistake(`${file} can not be read: ${messageOf(error)}`)
  }
}
