/** The limits of an embedded coordinator: those that are given, over the defaults. */
import { PledgedError } from '../base/errors.ts'
import { defaultLimits, type Limits } from '../base/limits.ts'
import { CLOSING_DRAIN_MS } from './tuning.ts'

/** Throws CONFIGURATION for one that there is not, or that is no number: who writes JavaScript gives anything. */
export function limitsOf(given: Partial<Limits> | undefined): Limits {
  const limits: Record<string, number> = { ...defaultLimits, drainTimeoutMs: CLOSING_DRAIN_MS }
  for (const [name, value] of Object.entries<unknown>(given ?? {})) {
    if (value === undefined) continue
    if (!Object.hasOwn(defaultLimits, name)) {
      throw new PledgedError(
        'CONFIGURATION',
        `limits.${name} is not a limit: see src/base/limits.ts for their names`,
      )
    }
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      const shown = typeof value === 'number' ? value : JSON.stringify(value)
      throw new PledgedError('CONFIGURATION', `limits.${name} is ${shown}: give a number from 0`)
    }
    limits[name] = value
  }
  return { ...defaultLimits, ...limits }
}
