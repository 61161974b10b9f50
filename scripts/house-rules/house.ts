/** The plan of the house: floors, rooms, and who may enter them. src/README.md draws it. */

/** Lower floors first; those on one floor don't import each other. */
export const FLOORS: readonly (readonly string[])[] = [
  ['src/base'],
  ['src/protocol'],
  ['src/wire', 'src/serving', 'src/log', 'src/recovery'],
  ['src/dialling'],
  ['src/transport', 'src/sdk'],
  ['src/coordinator'],
  ['src/admin'],
  ['src/embedding'],
  ['src/daemon', 'src/simulation'],
  ['src/demo'],
  ['src/cli', 'src/bench'],
]

/** What several participants have in common. It isn't a participant: the others may import it. */
export const PARTICIPANTS_SHARED = 'participants/shared'

/** Lists the participants that ship, by kind. It knows each of them, and only the composition root knows it. */
export const PARTICIPANTS_REGISTRY = 'participants/registry.ts'

/**
 * Rooms with a concrete thing behind a port, and the folders that may open the door. `embedding` puts a running coordinator
 * together, for an application's process as for the daemon's; `daemon` adds what only a process of its own has: participants
 * at an address, and the log's offline commands.
 */
export const CONCRETE: Readonly<Record<string, readonly string[]>> = {
  'src/log/sqlite': ['src/embedding', 'src/daemon'],
  'src/log/memory': ['src/daemon', 'src/simulation'],
  'src/transport/grpc': ['src/embedding', 'src/daemon'],
  'src/transport/unary': ['src/daemon'],
  'src/transport/worker': ['src/embedding'],
  'src/transport/memory': ['src/embedding', 'src/simulation'],
}

/**
 * Who may import `participants/*` other than a participant: the composition root, which is `embedding`, and `daemon` for what is
 * configured; the demo, whose processor is
 * an application that asks the offset store for its owner epoch and its position; and the simulator, whose modelled
 * servers are asked by the production code, in its order (R3, R13).
 */
export const PARTICIPANT_USERS: readonly string[] = [
  'src/embedding',
  'src/daemon',
  'src/demo',
  'src/simulation',
]

/** The private database servers ship with the demo; the participants' tests use them, too. */
export const TEST_SERVERS = 'src/demo/servers'

/** Each package's rooms. A package that isn't here has none yet: give it one, and write down its reason. */
export const PACKAGE_ROOMS: Readonly<Record<string, readonly string[]>> = {
  xstate: ['src/recovery'],
  'better-sqlite3': [
    'src/log/sqlite',
    'participants/sqlite',
    'participants/offsets',
    'participants/shared',
    'participants/testing',
  ],
  '@bufbuild/protobuf': ['src/wire'],
  '@grpc/grpc-js': [
    'src/wire',
    'src/serving',
    'src/dialling',
    'src/transport/grpc',
    'src/transport/unary',
    'src/sdk',
    'src/cli',
    'src/bench',
  ],
  '@grpc/reflection': ['src/transport/grpc'],
  '@peculiar/x509': ['src/serving'],
  'reflect-metadata': ['src/serving'],
  'grpc-health-check': ['src/serving', 'src/transport/grpc'],
  pg: ['participants/postgres', 'participants/testing', 'src/demo'],
  mysql2: ['participants/mysql', 'participants/testing', 'src/demo'],
  commander: ['src/cli'],
  pino: ['src/daemon'],
  yaml: ['src/daemon'],
  zod: ['src/daemon'],
}

/** Built-in modules with rooms. The others may be used everywhere but in SANS_IO. */
export const BUILT_IN_ROOMS: Readonly<Record<string, readonly string[]>> = {
  // One SQLite library per file in a process (R8): the log and the offsets are opened with better-sqlite3. The demo
  // counts rows from a process of its own.
  'node:sqlite': ['participants/sqlite', 'src/demo'],
}

/**
 * Beside the tests, what they share: the conformance suite of a port, `testing/`, `test-*.ts`. The program doesn't
 * import it, and tsconfig.build.json leaves it out.
 */
export const TEST_SUPPORT = new RegExp(
  [
    '/test-[^/]+\\.ts$',
    '/(?:arbitraries|harness)\\.ts$',
    '^src/(?:log|transport)/conformance(?:\\.ts|/)',
    '^src/transport/worker/peer-thread\\.ts$',
    '/testing/',
  ].join('|'),
)

/** These drive tests. They never ship. */
export const TEST_PACKAGES: readonly string[] = ['vitest', 'fast-check']

/** Rooms without I/O, clock, chance and promises; and the packages that they may use nevertheless. */
export const SANS_IO: Readonly<Record<string, readonly string[]>> = {
  'src/protocol': [],
  'src/recovery': ['xstate'],
}
