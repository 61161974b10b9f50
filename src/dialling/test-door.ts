/** The door of a test's server, which lets in whoever shows the token. Not part of the program. */
import type { ServerInterceptor } from '@grpc/grpc-js'
import { authenticator, BearerTokens, behind } from '../serving/index.ts'
import { toStatus } from '../wire/index.ts'

export interface TestDoor {
  readonly interceptors: ServerInterceptor[]
  close(): void
}

/** With a file, its token, as it is at any time; without one, everybody is let in. */
export function testDoor(tokenFile: string | undefined): TestDoor {
  if (tokenFile === undefined) return { interceptors: [], close: () => {} }
  const tokens = new BearerTokens([{ identity: { name: 'test', role: 'operator' }, file: tokenFile }], {
    everyMs: 5,
  })
  const authenticate = authenticator({ tokens })
  const admit = behind({ admit: (call) => void authenticate(call), toStatus })
  return { interceptors: [admit], close: () => tokens.close() }
}
