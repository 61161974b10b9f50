/** A person who grows tired of waiting, and ends a prepared branch at the resource itself, by hand. */
import type { CoordinatorProcess } from './coordinator-process.ts'
import type { ParticipantProcess } from './participant-process.ts'
import type { World } from './world.ts'

export interface Impatience {
  readonly world: World
  readonly coordinator: Pick<CoordinatorProcess, 'kill'>
  readonly participants: readonly ParticipantProcess[]
}

/** Looks around until there is something to end, or nothing fails any more. `done` is told where that was. */
export function breakPledge(parties: Impatience, done: (participant: string) => void): void {
  const { world, coordinator } = parties
  const { random, time } = world
  if (!world.isEnabled('pledge_broken')) return
  const found = findHeld(parties)
  if (found === undefined) {
    time.after(random.between(2, 20), () => breakPledge(parties, done))
    return
  }
  // Nobody loses patience with a daemon that answers.
  if (random.chance(0.5)) coordinator.kill({ power: random.chance(0.5) })
  const { xid, participant } = found
  if (random.chance(0.5)) participant.resource.commit(xid, { byHand: true })
  else participant.resource.abort(xid, { byHand: true })
  done(participant.plan.name)
}

/** What several hold comes first: there a single hand does harm. */
function findHeld({
  world,
  participants,
}: Impatience): { xid: string; participant: ParticipantProcess } | undefined {
  const held = participants.flatMap((participant) =>
    [...participant.resource.durable.prepared.keys()]
      .filter((xid) => !world.isPlanted(xid) && isAtHand(participant, xid))
      .map((xid) => ({ xid, participant })),
  )
  const shared = held.filter(({ xid }) => held.filter((other) => other.xid === xid).length > 1)
  const from = shared.length > 0 ? shared : held
  return from.length === 0 ? undefined : world.random.pick(from)
}

function isAtHand({ resource, plan }: ParticipantProcess, xid: string): boolean {
  return (
    plan.keepsWitnesses && resource.live.prepared.has(xid) && resource.sessions.endingOf(xid) === undefined
  )
}
