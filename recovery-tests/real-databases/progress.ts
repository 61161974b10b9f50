/** How a test under load follows its applications: that work goes on, and that they end well. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { DatabaseFleet } from './fleet.ts'

const MOVES_WITHIN_MS = 60_000

/** Until `moved`, which only grows, has grown by so many. Throws where something fell, or nothing moves. */
export async function untilMoved(fleet: DatabaseFleet, moved: () => number, count: number): Promise<void> {
  const goal = moved() + count
  const deadlineMs = performance.now() + MOVES_WITHIN_MS
  while (moved() < goal) {
    const fallen = fleet.fallen()
    if (fallen !== undefined) throw new Error(fallen)
    if (performance.now() > deadlineMs) {
      throw new Error(`nothing moves; the daemon said: ${fleet.process('daemon').lastWords}`)
    }
    await sleep(5)
  }
}

/** They end what they have begun. */
export async function stopApplications(fleet: DatabaseFleet, count: number): Promise<void> {
  const applications = Array.from({ length: count }, (_, index) => fleet.process(`application ${index}`))
  for (const application of applications) application.send({ type: 'stop' })
  for (const application of applications) {
    expect(await application.exited, application.lastWords).toEqual({ code: 0, signal: null })
    fleet.forget(application.name)
  }
}
