/** A closed load: so many calls in flight, each followed at once by the next, for a time. */
export interface LoadOptions {
  readonly inflight: number
  readonly seconds: number
  /** One call; a rejection ends the bench. */
  readonly call: () => Promise<unknown>
}

export interface Load {
  readonly calls: number
  readonly perSecond: number
}

export async function drive({ inflight, seconds, call }: LoadOptions): Promise<Load> {
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1_000
  let calls = 0
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await call()
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: inflight }, worker))
  return { calls, perSecond: calls / ((performance.now() - beganMs) / 1_000) }
}
