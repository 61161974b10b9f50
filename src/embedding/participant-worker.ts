/** What runs in the worker thread of a built-in participant: the participant, and its end of the link. */
import { parentPort, workerData } from 'node:worker_threads'
import { openParticipant } from '../../participants/registry.ts'
import { present } from '../base/assert.ts'
import { messageOf } from '../base/errors.ts'
import type { ParticipantPortMessage } from '../protocol/port-messages.ts'
import { servePort } from '../sdk/participant/port-host.ts'
import { armParticipantCrashPoints } from './armed-crash-points.ts'
import type { ParticipantWorkerData } from './built-in-dialer.ts'

const port = present(parentPort, 'a participant worker is started as a worker thread')
const { name, resource, limits } = workerData as ParticipantWorkerData

try {
  const participant = openParticipant(name, resource)
  const crashPoints = armParticipantCrashPoints(process.env)
  await servePort({ name, participant, port, limits, crashPoints })
} catch (error) {
  port.postMessage({ type: 'failed', reason: messageOf(error) } satisfies ParticipantPortMessage)
  port.close()
}
