/** Sentences for the person at the terminal, beside the log lines. */

let isGuarded = false

export function say(sentence: string): void {
  // A reader that went away is no reason to end: without a listener its going would be an uncaught error.
  if (!isGuarded) process.stderr.on('error', () => {})
  isGuarded = true
  process.stderr.write(`${sentence}\n`)
}
