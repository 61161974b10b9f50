import type { Checker } from './checker.ts'

/** When everything has ended nothing is left in memory: whatever were left behind each time would grow for ever. */
export const leaks: Checker = ({ coordinator }) =>
  (coordinator?.left ?? []).map((left) => `leak: ${left.count} ${left.of} are left when everything has ended`)
