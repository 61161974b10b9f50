/** What a consumer writes down before and after, so that it survives its kill -9; ConsumerRecord reads it. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/**
 * ran: the callback runs under this xid. told: how `transaction` ended; `failed`: it threw something that says that nothing
 * has happened. learned: what `get` said of the request, after an unknown outcome.
 */
export type Line =
  | { readonly type: 'ran'; readonly request: string; readonly xid: string; readonly events: number }
  | {
      readonly type: 'told'
      readonly request: string
      readonly outcome: Told
      readonly xid: string
      /** For people. */
      readonly why: string
    }
  | { readonly type: 'learned'; readonly request: string; readonly outcome: Learned; readonly xid: string }

export type Told = 'committed' | 'aborted' | 'failed' | 'unknown'
export type Learned = 'committed' | 'aborted'

export class Journal {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  write(line: Line): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/** A last line that a kill cut short is left out. */
export function readJournal(file: string): readonly Line[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Line)
}
