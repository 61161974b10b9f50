/** What an application wrote down of what it asked and was told, and whether the coordinator stands by it. */
import { existsSync, readFileSync } from 'node:fs'
import type { Coordinator } from '../../src/sdk/client/index.ts'
import { PledgedError } from '../../src/sdk/client/index.ts'

export interface Told {
  readonly told: string
  readonly attempt: number
  readonly outcome: 'committed' | 'aborted' | 'unknown'
  readonly xid: string
}

/** The lines of a journal; a last line that a kill cut short is left out. */
export function readTold(journal: string): Told[] {
  if (!existsSync(journal)) return []
  return readFileSync(journal, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Told | { asked: string })
    .filter((line): line is Told => 'told' in line)
}

/** Contradictions between what was told and what is answered now, by xid and by request_id; empty when all is well. */
export async function contradictions(coordinator: Coordinator, told: readonly Told[]): Promise<string[]> {
  const found: string[] = []
  const committed = new Map(told.filter((one) => one.outcome === 'committed').map((one) => [one.told, one]))
  for (const one of told) {
    if (one.outcome === 'unknown') continue
    const byXid = await outcomeOf(coordinator, { xid: one.xid })
    if (byXid !== one.outcome) found.push(`${one.xid} was told ${one.outcome}, and is ${byXid} now`)
    const byRequest = await outcomeOf(coordinator, { requestId: one.told })
    const expected = committed.has(one.told) ? ['committed'] : ['aborted', 'none']
    if (!expected.includes(byRequest)) {
      found.push(`${one.told} was told ${one.outcome} at attempt ${one.attempt}, and is ${byRequest} now`)
    }
  }
  return found
}

async function outcomeOf(
  coordinator: Coordinator,
  key: { readonly xid: string } | { readonly requestId: string },
): Promise<string> {
  try {
    const { outcome } = await coordinator.get(key)
    return outcome
  } catch (error) {
    // An attempt that aborted is remembered by its request_id for the epoch; its xid is presumed aborted for ever.
    if (error instanceof PledgedError && error.code === 'REQUEST_NOT_FOUND') return 'none'
    throw error
  }
}
