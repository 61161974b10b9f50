/** A pledge that was given for a time is over: the resource takes it back, as it said it would (part 1). */
import type { ParticipantProcess } from './participant-process.ts'
import type { World } from './world.ts'

const LOOK_EVERY_MS = 3

/** The first that ends undecided from now on, at a participant whose witnesses tell of it. */
export function expirePledge(
  world: World,
  participants: readonly ParticipantProcess[],
  done: (participant: string) => void,
): void {
  if (world.healing) return
  for (const { plan, resource } of participants) {
    if (!plan.keepsWitnesses) continue
    for (const xid of resource.durable.prepared.keys()) {
      const endsMs = world.pledgeEndsMs(plan.name, xid)
      if (endsMs === undefined || endsMs > world.time.nowMs || !resource.live.prepared.has(xid)) continue
      done(plan.name)
      resource.abort(xid, { byHand: true })
      return
    }
  }
  world.time.after(LOOK_EVERY_MS, () => expirePledge(world, participants, done))
}
