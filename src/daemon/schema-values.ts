/** What the schemas of the configuration's parts share. */
import { z } from 'zod'
import { Mistake } from './values.ts'

/** A value that a function of our own reads; its sentence becomes the issue's. */
export function value<Value>(parse: (raw: unknown) => Value) {
  return z.unknown().transform((raw, context): Value => {
    try {
      if (raw === undefined) throw new Mistake('is missing')
      if (raw === null) throw new Mistake('is empty: give it a value, or take the key out')
      return parse(raw)
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })
}

/** Of a mapping that may not be one. */
export function member(of: unknown, key: string | number): unknown {
  if (typeof of !== 'object' || of === null || !Object.hasOwn(of, key)) return undefined
  return (of as Readonly<Record<string | number, unknown>>)[key]
}
