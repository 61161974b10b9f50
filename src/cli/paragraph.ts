/** Why something waits, and what a person can do, as labelled paragraphs under the facts. */
import type { TableLayout } from './table.ts'
import { oneLine, wrap } from './text.ts'

export interface Advice {
  readonly label: 'why' | 'do'
  readonly text: string
}

const LABEL_WIDTH = 6

export function why(text: string): Advice {
  return { label: 'why', text }
}

export function advise(text: string): Advice {
  return { label: 'do', text }
}

export function because(reason: string): string {
  return reason === '' ? '' : `: ${oneLine(reason)}`
}

/** A label that stands above already isn't said again. */
export function paragraphs(advice: readonly Advice[], layout: TableLayout): string[] {
  return advice.flatMap(({ label, text }, index) =>
    paragraph({ label: advice[index - 1]?.label === label ? '' : label, text }, layout),
  )
}

function paragraph(
  { label, text }: { readonly label: string; readonly text: string },
  { columns, paint }: TableLayout,
): string[] {
  const lines = columns === undefined ? [text] : wrap(text, columns - LABEL_WIDTH)
  return lines.map((line, index) => {
    const margin =
      index === 0 ? paint('bold', label) + ' '.repeat(LABEL_WIDTH - label.length) : ' '.repeat(LABEL_WIDTH)
    return margin + line
  })
}
