/** Who is let in, as it was configured: the server's certificate, the identities, and what the log says of both. */
import { systemTimers } from '../base/ports.ts'
import {
  authenticator,
  BearerTokens,
  CertificateIdentities,
  type Rotation,
  serverCredentials,
} from '../serving/index.ts'
import type { GrpcServerOptions } from '../transport/grpc/index.ts'
import type { Security } from './configuration-security.ts'
import type { Logger } from './logger.ts'
import { RefusedCalls } from './refused-calls.ts'

export interface Guard extends Pick<GrpcServerOptions, 'credentials' | 'authentication'> {
  close(): void
}

/** Throws CONFIGURATION where a file isn't any more what it was when the configuration was checked. */
export function guardOf({ tls, auth }: Security, logger: Logger): Guard {
  const tell = ({ type, text }: Rotation): void =>
    type === 'taken' ? logger.info({ reason: text }, 'rotated') : logger.warn({ reason: text }, 'not rotated')
  const credentials = serverCredentials(tls, { tell })
  if (auth === undefined) return { credentials, close: () => {} }
  const tokens = new BearerTokens(auth.tokens, { tell })
  const certificates = new CertificateIdentities(auth.certificates)
  const refused = new RefusedCalls({ logger, timers: systemTimers })
  return {
    credentials,
    authentication: {
      authenticate: authenticator({ tokens, certificates }),
      refused: (call) => refused.tell(call),
      revocations: tokens,
    },
    close: () => {
      tokens.close()
      refused.close()
    },
  }
}
