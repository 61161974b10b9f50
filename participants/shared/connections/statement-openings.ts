/** How each statement of a text begins: what it is, as far as that matters to the transaction it runs in. */
import type { Token } from '../statement-tokens.ts'

/** Words that tell the kinds of statement apart; more are of no interest. */
const WORDS_MAX = 4

/** Of each statement the first words, in upper case. */
export function statementOpenings(tokens: Iterable<Token>): readonly (readonly string[])[] {
  const openings: string[][] = [[]]
  for (const { kind, text } of tokens) {
    const current = openings.at(-1)
    if (current === undefined || kind === 'space') continue
    if (kind === 'end') openings.push([])
    else if (kind === 'word' && current.length < WORDS_MAX) current.push(text.toUpperCase())
  }
  return openings.filter((words) => words.length > 0)
}

/** Of most statements, a look at their beginning is enough: one of these, and no second one after it. */
export function isPlainly(sql: string, kinds: RegExp): boolean {
  return kinds.test(sql) && !sql.includes(';')
}

/** What to say of a statement that would end the branch's transaction, or begin another. */
export function endsTransaction(words: readonly string[]): string {
  return (
    `${words.slice(0, 2).join(' ')} is not for a branch: Pledged has begun its transaction, and ends it with the others. ` +
    "Use the connection as it is, without a transaction of the driver's or the query builder's (SAVEPOINT is allowed)"
  )
}
