/** Who calls. What a caller may do follows from the role; what belongs to it, from the name. */

export const ROLES = ['application', 'participant', 'operator'] as const
export type Role = (typeof ROLES)[number]

export type Identity =
  | { readonly name: string; readonly role: 'application' | 'operator' }
  /** Bound to the one participant of that name. */
  | { readonly name: string; readonly role: 'participant'; readonly participant: string }

export function sameIdentity(one: Identity, other: Identity): boolean {
  return one.name === other.name && one.role === other.role && boundTo(one) === boundTo(other)
}

function boundTo(identity: Identity): string | undefined {
  return identity.role === 'participant' ? identity.participant : undefined
}
