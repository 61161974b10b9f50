/**
 * xstate's pure transition() and initialTransition(), without the actor that they make, and start, anew for each event:
 * that cost twice as much as the event itself. Nothing of ours looks at the actor, and one that never runs serves them
 * all.
 */
import {
  type AnyStateMachine,
  createActor,
  type EventFromLogic,
  type ExecutableActionObject,
  type InputFrom,
  type SnapshotFrom,
} from 'xstate'

/** Actions are returned, and not carried out. */
type Moved<Machine extends AnyStateMachine> = [SnapshotFrom<Machine>, ExecutableActionObject[]]

export interface PureMachine<Machine extends AnyStateMachine> {
  readonly initial: (input: InputFrom<Machine>) => Moved<Machine>
  readonly transition: (snapshot: SnapshotFrom<Machine>, event: EventFromLogic<Machine>) => Moved<Machine>
}

export function pureMachine<Machine extends AnyStateMachine>(machine: Machine): PureMachine<Machine> {
  const self = createActor(machine)
  const scopeFor = (actions: ExecutableActionObject[]) => ({
    self,
    id: '',
    sessionId: '',
    system: self.system,
    logger: () => {},
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: (action: ExecutableActionObject) => {
      actions.push(action)
    },
  })
  return {
    initial: (input) => {
      const actions: ExecutableActionObject[] = []
      return [machine.getInitialSnapshot(scopeFor(actions), input) as SnapshotFrom<Machine>, actions]
    },
    transition: (snapshot, event) => {
      const actions: ExecutableActionObject[] = []
      return [machine.transition(snapshot, event, scopeFor(actions)) as SnapshotFrom<Machine>, actions]
    },
  }
}
