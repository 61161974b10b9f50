/** The parts of a version in CHANGELOG.md, in the order in which they are read. A note begins with its part. */
export const PARTS = ['Safety', 'Features', 'Internals'] as const
export type Part = (typeof PARTS)[number]

export const PART_ADVICE = `begin it with ${PARTS.map((part) => `${part}:`).join(' or ')}`
