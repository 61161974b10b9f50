/** What the traced process writes where, so that its trace can be read. */

export const APPENDS = 20

/** In the record itself, and so in the page that is written to the WAL. */
export function tokenOf(epoch: string, sequence: number): string {
  return `record-${epoch}-${String(sequence).padStart(4, '0')}`
}

/** On stdout, once the append was answered. */
export function answerOf(epoch: string, sequence: number): string {
  return `answered-${epoch}-${String(sequence).padStart(4, '0')}`
}
