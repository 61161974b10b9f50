/** The server: every service of the contract that the daemon serves, on one address. */
import { ServerCredentials } from '@grpc/grpc-js'
import type { Limits } from '../../base/limits.ts'
import { systemTimers } from '../../base/ports.ts'
import type { SessionApi, TransactionApi } from '../../protocol/requests.ts'
import type { Ready } from '../../serving/index.ts'
import {
  BoundedServer,
  bind,
  type Health,
  serveHealth,
  shutDown,
  silenceGrpc,
  tolerant,
} from '../../serving/index.ts'
import { AdminServiceService } from '../../wire/generated/pledged/v1/admin_service.ts'
import {
  type AdminHandlers,
  ParticipantGatewayServiceService,
  serverOptions,
  TransactionServiceService,
} from '../../wire/index.ts'
import type { LinkListener } from '../link.ts'
import { adminService } from './admin-service.ts'
import { identifyAsAnonymous } from './calls.ts'
import { Entrance, type EntranceOptions } from './entrance.ts'
import { ParticipantGateway } from './participant-gateway.ts'
import { serveReflection } from './reflection.ts'
import { SessionGateway } from './session-gateway.ts'
import { transactionService } from './transaction-service.ts'

const SERVICES = [
  'pledged.v1.TransactionService',
  'pledged.v1.ParticipantGatewayService',
  'pledged.v1.AdminService',
] as const

export interface GrpcServerOptions {
  /** HOST:PORT (port 0: any that is free), or unix:PATH. */
  readonly listen: string
  readonly transactions: TransactionApi
  readonly sessions: SessionApi
  readonly links: LinkListener
  readonly admin: AdminHandlers
  readonly limits: Limits
  /**
   * Why nothing new is taken now; undefined while all is well. STARTING refuses every call, any other error only
   * what begins new work.
   */
  readonly ready: Ready
  /** Who calls, and who is told of calls that aren't let in. Without it everyone is anonymous, and may do everything. */
  readonly authentication?: EntranceOptions | undefined
  /** Defaults to plain text. */
  readonly credentials?: ServerCredentials | undefined
  /** There are as many connections as there may be: a sentence for whoever can change that. */
  readonly crowded?: ((reason: string) => void) | undefined
}

export interface GrpcServer {
  /** As a client names it, with the port that was bound. */
  readonly address: string
  /** Shows at once what `ready` says to those who watch the health; who asks is told the truth anyhow. */
  refreshHealth(): void
  /**
   * Takes no more, says goodbye to participants and sessions, lets the calls under way end for
   * `limits.serverCloseTimeoutMs`, then cuts what is left.
   */
  close(): Promise<void>
}

/** Rejects with CONFIGURATION where it can't listen. */
export async function serveGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  silenceGrpc()
  const { ready, limits } = options
  const entrance = options.authentication === undefined ? undefined : new Entrance(options.authentication)
  const identify = entrance?.identify ?? identifyAsAnonymous
  const server = new BoundedServer({
    limits,
    timers: systemTimers,
    crowded: options.crowded,
    grpc: {
      ...serverOptions(limits),
      ...(entrance !== undefined && { interceptors: [entrance.interceptor] }),
    },
  })
  const admit = entrance?.admitParticipant ?? (() => {})
  const gateway = new ParticipantGateway({ links: options.links, ready, admit, limits })
  const sessions = new SessionGateway({ sessions: options.sessions, ready, identify, limits })
  server.addService(
    tolerant(TransactionServiceService),
    transactionService({ transactions: options.transactions, sessions, ready, identify }),
  )
  server.addService(tolerant(ParticipantGatewayServiceService), gateway.handlers)
  server.addService(tolerant(AdminServiceService), adminService({ admin: options.admin, ready, identify }))
  const health = serveHealth(server, SERVICES, ready)
  serveReflection(server, [...SERVICES, 'grpc.health.v1.Health'])
  const credentials = options.credentials ?? ServerCredentials.createInsecure()
  const address = await bind(server, options.listen, credentials)
  let closing: Promise<void> | undefined
  return {
    address,
    refreshHealth: () => health.refresh(),
    close: () => (closing ??= close({ server, gateway, sessions, health, limits })),
  }
}

interface Parts {
  readonly server: BoundedServer
  readonly gateway: ParticipantGateway
  readonly sessions: SessionGateway
  readonly health: Health
  readonly limits: Limits
}

async function close({ server, gateway, sessions, health, limits }: Parts): Promise<void> {
  health.stop()
  gateway.close('the daemon is shutting down')
  sessions.close('the daemon is shutting down')
  await shutDown(server, limits.serverCloseTimeoutMs, systemTimers)
}
