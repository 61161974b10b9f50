import { setTimeout as sleep } from 'node:timers/promises'

/** Whether it came within the time. */
export async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const abort = new AbortController()
  const late = sleep(ms, false, { signal: abort.signal }).catch(() => false)
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    abort.abort()
  }
}
