/**
 * Links to participants that listen: anyone's pledged.v1.ParticipantService, in any language, at an address. Each
 * message is a unary call; to the coordinator the participant is the same as an attached one.
 *
 * - A link is one connection: it opens once the participant has described itself, and closes when the connection
 *   goes down, so that whoever listens there afterwards is looked at anew (R10).
 * - Calls for one xid are made one after another. An abort cancels the prepare of its xid that has no answer yet: the
 *   two may reach the participant in either order, and the contract says what it makes of that.
 * - An error status, a deadline that has passed and an answer that is none are a no vote, the result unknown, no
 *   evidence, a scan that failed; never more.
 * - A participant that leaves out DescribeParticipant is one without evidence, and without a resource id.
 */
export { UnaryDialer, type UnaryDialerOptions } from './unary-dialer.ts'
export type { UnaryLimits } from './unary-link.ts'
