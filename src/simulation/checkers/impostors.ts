import type { Checker } from './checker.ts'

/** R10: another resource under a known name is neither let in nor told anything. */
export const impostors: Checker = ({ observed }) =>
  observed
    .filter((seen) => seen.type === 'impostor')
    .map(({ participant, met }) => `R10: an impostor of ${participant} was ${met}`)
