/** The shape of the sections `tls:` and `auth:`: who may come in, and how each proves who they are. */
import { z } from 'zod'
import { isParticipantName } from '../base/ids.ts'
import { ROLES, type Role } from '../serving/index.ts'
import { member, value } from './schema-values.ts'
import { Mistake, parseChoice, parseText, show } from './values.ts'

/** No space and no bracket: the audit shows it with what a person says of themselves behind it. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@/-]{0,63}$/

const identity = {
  name: value(parseName),
  role: value((raw) => parseChoice<Role>(raw, ROLES)),
  participant: value(parseParticipant).optional(),
}

const token = z.strictObject({ ...identity, token_file: value(parseText) })
const certificate = z.strictObject({ ...identity, subject: value(parseSubject) })

export const tlsSchema = z.strictObject({
  cert_file: value(parseText).optional(),
  key_file: value(parseText).optional(),
  client_ca_file: value(parseText).optional(),
})

export const authSchema = z.strictObject({
  tokens: z.array(token).optional(),
  certificates: z.array(certificate).optional(),
})

export type TokenEntry = z.output<typeof token>
export type CertificateEntry = z.output<typeof certificate>

/** What of the section can be made sense of; an entry that is mistaken is undefined. */
export interface AuthSection {
  readonly tokens: readonly (TokenEntry | undefined)[]
  readonly certificates: readonly (CertificateEntry | undefined)[]
}

export const AUTH_LISTS = { tokens: token, certificates: certificate } as const

export function authSectionOf(content: unknown): AuthSection | undefined {
  const section = member(content, 'auth')
  if (section === undefined) return undefined
  return {
    tokens: entriesOf(section, 'tokens').map((entry) => read(token, entry)),
    certificates: entriesOf(section, 'certificates').map((entry) => read(certificate, entry)),
  }
}

/** What is wrong between the keys of an entry. */
export function authMistakes(content: unknown): { path: (string | number)[]; text: string }[] {
  const section = member(content, 'auth')
  return (['tokens', 'certificates'] as const).flatMap((list) =>
    entriesOf(section, list).flatMap((entry, index) => {
      const text = bindingMistake(entry)
      return text === undefined ? [] : [{ path: ['auth', list, index, 'participant'], text }]
    }),
  )
}

function bindingMistake(entry: unknown): string | undefined {
  const bound = member(entry, 'participant') !== undefined
  const role = member(entry, 'role')
  if (role === 'participant' && !bound)
    return 'is missing: name the participant that this identity attaches as'
  if (bound && (role === 'application' || role === 'operator'))
    return `is for the role participant: take it out of an identity of the role ${role}`
  return undefined
}

function read<Entry>(schema: z.ZodType<Entry>, entry: unknown): Entry | undefined {
  return bindingMistake(entry) === undefined ? schema.safeParse(entry).data : undefined
}

function entriesOf(section: unknown, list: 'tokens' | 'certificates'): readonly unknown[] {
  const entries = member(section, list)
  return Array.isArray(entries) ? entries : []
}

function parseName(raw: unknown): string {
  const text = parseText(raw)
  if (NAME.test(text)) return text
  throw new Mistake(
    `${show(text)} is not a name of an identity: write 1 to 64 letters, digits and ._@/-, a letter or digit first`,
  )
}

function parseParticipant(raw: unknown): string {
  const text = parseText(raw)
  if (isParticipantName(text)) return text
  throw new Mistake(`${show(text)} is not a name of a participant: write 1 to 32 of a-z, 0-9 and '-'`)
}

/** A wildcard would be anyone of a domain. */
function parseSubject(raw: unknown): string {
  const text = parseText(raw)
  if (!text.includes('*')) return text
  throw new Mistake(`${show(text)} has a wildcard: one entry is one subject, its DNS or URI name`)
}
