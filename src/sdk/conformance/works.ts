/** The work that a stranger's participant understands: templates, in which `{n}` becomes a fresh number. */
import { PledgedError } from '../../base/errors.ts'
import type { Random } from '../../base/ports.ts'

/** Bytes, with `{n}` wherever a number is wanted that no other branch of any run has. */
export type WorkTemplate = Uint8Array

export interface WorkTemplates {
  /** Voted yes, many at once where the resource allows it. Default: no bytes at all. */
  readonly work?: WorkTemplate | undefined
  /** Two works that, with the same `{n}`, can't both be held prepared. */
  readonly conflicting?: readonly [WorkTemplate, WorkTemplate] | undefined
  /** Each is voted no. */
  readonly refused?: readonly WorkTemplate[] | undefined
  /** Voted as the participant likes, and survived. */
  readonly hostile?: readonly WorkTemplate[] | undefined
}

const PLACE = '{n}'
/** Within a 32-bit integer, which is what many a table has for its key. */
const NUMBER_MAX = 2_000_000_000

export function workTemplateOf(text: string): WorkTemplate {
  return new TextEncoder().encode(text)
}

/** Fills the templates. Numbers ascend from one drawn by chance: runs against the same resource hardly ever meet. */
export class Works {
  readonly #templates: WorkTemplates
  #number: number

  constructor(templates: WorkTemplates, random: Random) {
    this.#templates = templates
    this.#number = 1 + random.below(NUMBER_MAX)
  }

  get refused(): readonly WorkTemplate[] {
    return this.#templates.refused ?? []
  }

  get hostile(): readonly WorkTemplate[] {
    return this.#templates.hostile ?? []
  }

  get hasConflicting(): boolean {
    return this.#templates.conflicting !== undefined
  }

  /** Work for one more branch, unlike any before where the template has a `{n}`. */
  next(): Uint8Array {
    return fill(this.#templates.work ?? new Uint8Array(0), this.#nextNumber())
  }

  nextConflicting(): readonly [Uint8Array, Uint8Array] {
    const { conflicting } = this.#templates
    if (conflicting === undefined) throw new PledgedError('INTERNAL', 'no conflicting works were given')
    const number = this.#nextNumber()
    return [fill(conflicting[0], number), fill(conflicting[1], number)]
  }

  filled(template: WorkTemplate): Uint8Array {
    return fill(template, this.#nextNumber())
  }

  #nextNumber(): number {
    this.#number += 1
    return this.#number
  }
}

/** One byte is one character of latin1 and back, so that a template may be binary. */
function fill(template: WorkTemplate, number: number): Uint8Array {
  const text = Buffer.from(template).toString('latin1')
  if (!text.includes(PLACE)) return template
  return new Uint8Array(Buffer.from(text.replaceAll(PLACE, String(number)), 'latin1'))
}
