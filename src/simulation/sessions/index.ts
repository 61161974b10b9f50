/**
 * Applications that hold a session with the coordinator: those that run the production SDK, with branches on connections of
 * their own, and those that speak the protocol by themselves and do what the SDK never would. What is asked and answered over
 * a session is seen as that of other calls is; besides, what only sessions have: leases, enlistments, branches that their
 * application prepares and ends.
 */
export { Application } from './application.ts'
export { drawSessions, type SessionsPlan, takesEarlyBranches } from './application-plan.ts'
export { RawApplication } from './raw-application.ts'
export type { RawTransaction } from './raw-transaction.ts'
export { SessionNetwork } from './session-network.ts'
