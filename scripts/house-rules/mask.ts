/**
 * Source text without what isn't code: comments, and the contents of strings, templates and regular expressions,
 * are blanked, each character by a space, so that offsets and line numbers stay. TypeScript 7 has no API to parse
 * with, and a word in a comment must not look like a use of it.
 */

export interface Masked {
  /** As long as the source; quotes stay, what is between them doesn't. */
  readonly code: string
  readonly strings: readonly StringLiteral[]
}

export interface StringLiteral {
  readonly offset: number
  readonly value: string
}

/** A slash after one of these divides; after anything else it opens a regular expression. */
const OPERAND_END = /[\w$)\]'"`]$/
const KEYWORD_END = /(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|await|yield|else|do)$/

export function mask(source: string): Masked {
  const masker = new Masker(source)
  masker.run()
  return { code: masker.code.join(''), strings: masker.strings }
}

class Masker {
  readonly code: string[]
  readonly strings: StringLiteral[] = []
  readonly #source: string
  #at = 0
  /** For each template expression that is open: how many braces are open within it. */
  readonly #templateBraces: number[] = []

  constructor(source: string) {
    this.#source = source
    this.code = source.split('')
  }

  run(): void {
    while (this.#at < this.#source.length) this.#next()
  }

  #next(): void {
    const here = this.#source[this.#at]
    const two = this.#source.slice(this.#at, this.#at + 2)
    if (two === '//') return this.#blankUntil(this.#find('\n', this.#source.length))
    if (two === '/*') return this.#blankUntil(this.#find('*/', this.#source.length - 2) + 2)
    if (here === "'" || here === '"') return this.#string(here)
    if (here === '`') return this.#template()
    if (here === '/' && this.#opensRegularExpression()) return this.#regularExpression()
    if (here === '{' && this.#templateBraces.length > 0) this.#countBrace(1)
    if (here === '}' && this.#templateBraces.length > 0) {
      if (this.#templateBraces.at(-1) === 0) {
        this.#templateBraces.pop()
        return this.#template()
      }
      this.#countBrace(-1)
    }
    this.#at += 1
  }

  #countBrace(by: number): void {
    const last = this.#templateBraces.length - 1
    this.#templateBraces[last] = (this.#templateBraces[last] ?? 0) + by
  }

  #find(text: string, otherwise: number): number {
    const found = this.#source.indexOf(text, this.#at + 1)
    return found === -1 ? otherwise : found
  }

  #blankUntil(end: number): void {
    for (; this.#at < end; this.#at += 1) if (this.code[this.#at] !== '\n') this.code[this.#at] = ' '
  }

  #string(quote: string): void {
    const start = this.#at
    this.#at += 1
    const end = this.#endOfQuoted(quote)
    this.strings.push({ offset: start, value: this.#source.slice(start + 1, end) })
    this.#blankUntil(end)
    this.#at += 1
  }

  #endOfQuoted(quote: string): number {
    let end = this.#at
    while (end < this.#source.length && this.#source[end] !== quote && this.#source[end] !== '\n') {
      end += this.#source[end] === '\\' ? 2 : 1
    }
    return end
  }

  /** From a backquote, or from the brace that ends an expression, to the next expression or the end. */
  #template(): void {
    this.#at += 1
    let end = this.#at
    while (end < this.#source.length && this.#source[end] !== '`' && !this.#source.startsWith('${', end)) {
      end += this.#source[end] === '\\' ? 2 : 1
    }
    this.#blankUntil(end)
    if (this.#source[end] === '`') this.#at += 1
    else if (end < this.#source.length) {
      this.#templateBraces.push(0)
      this.#at += 2
    }
  }

  #opensRegularExpression(): boolean {
    const before = this.code
      .slice(Math.max(0, this.#at - 200), this.#at)
      .join('')
      .trimEnd()
    return before === '' || !OPERAND_END.test(before) || KEYWORD_END.test(before)
  }

  #regularExpression(): void {
    this.#at += 1
    let end = this.#at
    let inClass = false
    while (end < this.#source.length && this.#source[end] !== '\n') {
      const here = this.#source[end]
      if (here === '/' && !inClass) break
      if (here === '[') inClass = true
      if (here === ']') inClass = false
      end += here === '\\' ? 2 : 1
    }
    this.#blankUntil(end)
    this.#at += 1
  }
}

export function lineAt(source: string, offset: number): number {
  let line = 1
  for (
    let index = source.indexOf('\n');
    index !== -1 && index < offset;
    index = source.indexOf('\n', index + 1)
  )
    line += 1
  return line
}
