/**
 * The gRPC transport: `serveGrpc` puts the ports of the coordinator (TransactionApi, SessionApi, LinkListener) and the
 * admin handlers on an address. It converts, checks shapes and moves bytes; it decides nothing.
 *
 * - An error that a port rejects with is answered as its status with google.rpc.ErrorInfo; anything else that is
 *   thrown, as INTERNAL with its message alone.
 * - A participant's stream is a Link: see ../link.ts. What was said of one xid arrives in order; what was said in one
 *   turn of the event loop about different xids may be regrouped.
 * - An application's stream is a Session. What it sends is refused call by call where a call is wrong; while too many are
 *   unanswered it isn't read.
 * - With `authentication`, each call is let in by its headers, or refused, before a message of it is read: UNAUTHENTICATED,
 *   or PERMISSION_DENIED. Health alone is open.
 * - Whatever a client sends, or however it goes, the server lives on.
 */
export {
  type ListenAddress,
  type Ready,
} from '../../serving/index.ts'
export type { EntranceOptions, RefusedCall } from './entrance.ts'
export { type GrpcServer, type GrpcServerOptions, serveGrpc } from './serve.ts'
