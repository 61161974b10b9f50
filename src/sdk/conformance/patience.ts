/** Waiting for what is allowed to take a while. */

const PAUSE_MS = 50

export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs)
  })
}

/** Asks until the answer is good enough or the time is over, and returns the last answer. */
export async function retryUntil<Value>(
  ask: () => Promise<Value>,
  isEnough: (value: Value) => boolean,
  withinMs: number,
): Promise<Value> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    const value = await ask()
    if (isEnough(value) || performance.now() >= deadlineMs) return value
    await sleep(PAUSE_MS)
  }
}
