/**
 * The admin service: what operators ask of a running daemon, apart from any transport. It reads the coordinator
 * through its inspection, and changes nothing.
 *
 * Each handler rejects with PledgedError INVALID_REQUEST where a field can't be taken (the sentence names it), and
 * with STARTING before the log is replayed. A page never exceeds what one message can carry: it is made shorter,
 * and its token leads on.
 */
export { AdminService } from './admin-service.ts'
