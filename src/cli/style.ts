/** Colour says again what the words say; nothing is told by colour alone. */
export const STYLES = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan'] as const
export type Style = (typeof STYLES)[number]

/** https://en.wikipedia.org/wiki/ANSI_escape_code#SGR */
const CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

export type Paint = (style: Style | undefined, text: string) => string

export function painter(color: boolean): Paint {
  return (style, text) => {
    if (!color || style === undefined || text === '') return text
    const [on, off] = CODES[style]
    return `\u001b[${on}m${text}\u001b[${off}m`
  }
}
