/** Text that comes from elsewhere, made fit for a terminal and for one line. */

/** Control characters, and those that reorder a line: a participant's words must not steer somebody's terminal. */
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g

/** On one line. */
export function oneLine(text: string): string {
  return text.replaceAll(UNPRINTABLE, ' ').trim()
}

/** In characters as a person counts them. */
export function widthOf(text: string): number {
  return Array.from(text).length
}

export function truncate(text: string, widthMax: number): string {
  const characters = Array.from(text)
  if (characters.length <= widthMax) return text
  return widthMax <= 1
    ? '…'.slice(0, widthMax)
    : `${characters
        .slice(0, widthMax - 1)
        .join('')
        .trimEnd()}…`
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** `1 branch`, `2 branches`. */
export function counted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${Number(count) === 1 ? one : many}`
}

/** `20,000`. */
export function grouped(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

/** Lines of at most `widthMax` characters, broken between words; a longer word has a line of its own. */
export function wrap(text: string, widthMax: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > widthMax) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
