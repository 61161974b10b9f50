/** What may ship, and what may not: the program, its types and its pages, and nothing that only we need. */

/** The file is in the tarball, by its path in the package. */
export interface PackedFile {
  readonly path: string
  readonly size: number
}

const SHIPS: readonly RegExp[] = [
  /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
  /^dist\/(?:src|participants)\/.+\.(?:js|d\.ts)$/,
  /^dist\/src\/demo\/data\/(?:README\.md|flights-20k\.jsonl)$/,
  /^proto\/(?:pledged\/v1|google\/rpc)\/[a-z_]+\.proto$/,
  /^docs\/[a-z-]+\.md$/,
]

const STAYS: Readonly<Record<string, RegExp>> = {
  'a test': /\.test\.|(?:^|\/)(?:testing|recovery-tests)\/|\/test-[^/]+$/,
  'what tests share': /\/(?:harness|arbitraries|sample-records)\.|\/(?:log|transport)\/conformance[/.]/,
  'the simulator': /\/simulation\//,
  'a bench': /^dist\/src\/bench\//,
  'a tool': /^(?:dist\/)?(?:scripts|examples)\//,
}

/** Without these the package isn't one, whatever else is in it. */
const MUST_SHIP: readonly string[] = [
  'dist/src/cli/pledged.js',
  'dist/src/log/sqlite/worker.js',
  'dist/src/demo/data/flights-20k.jsonl',
  'proto/pledged/v1/participant_service.proto',
  'README.md',
  'LICENSE',
]

/** In sentences; empty where the contents are as they should be. */
export function objectionsToContents(files: readonly PackedFile[]): string[] {
  const paths = files.map(({ path }) => path)
  return [
    ...MUST_SHIP.filter((path) => !paths.includes(path)).map((path) => `${path} is missing`),
    ...paths.flatMap(objectionTo),
  ]
}

function objectionTo(path: string): string[] {
  const [what] = Object.entries(STAYS).find(([, pattern]) => pattern.test(path)) ?? []
  if (what !== undefined) return [`${path} is ${what}: nobody who installs the package needs it`]
  if (SHIPS.some((pattern) => pattern.test(path))) return []
  return [`${path} is none of what ships: take it out, or say in scripts/package/contents.ts why it does`]
}
