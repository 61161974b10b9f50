/** The manifests of examples/kubernetes: right by the Kubernetes API's schema, and for the program that they start. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { afterAll, describe, expect, it } from 'vitest'
import { pledged } from '../harness/pledged.ts'
import { mistakesIn, readManifest } from './manifest.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../examples/kubernetes')
const MANIFESTS = readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'))
const directory = mkdtempSync(join(tmpdir(), 'pledged-kubernetes-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe.each(MANIFESTS)('%s', (name) => {
  const objects = readManifest(join(EXAMPLES, name))
  const [set] = objects.filter(({ kind }) => kind === 'StatefulSet')
  const pod = new StatefulSet(set as never).spec?.template.spec
  const containers = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])]

  it.each(objects.map((object) => [object.kind, object] as const))('%s', (_kind, object) => {
    expect(mistakesIn(object)).toEqual([])
  })

  it('has one user, a volume for each mount, and the log on one that survives', () => {
    expect(pod?.securityContext?.runAsUser).toBeGreaterThan(0)
    expect(containers.map(({ securityContext }) => securityContext?.runAsUser)).toEqual(
      containers.map(() => undefined),
    )
    const claims = new StatefulSet(set as never).spec?.volumeClaimTemplates?.map(
      ({ metadata }) => metadata?.name,
    )
    const volumes = [...(pod?.volumes ?? []).map((volume) => volume.name), ...(claims ?? [])]
    for (const mount of containers.flatMap(({ volumeMounts }) => volumeMounts ?? [])) {
      expect(volumes).toContain(mount.name)
    }
    const data = containers
      .flatMap(({ volumeMounts }) => volumeMounts ?? [])
      .find(({ name: one }) => one === 'log')
    expect(claims).toContain('log')
    expect(configurationIn(objects)).toContain(`data_dir: ${data?.mountPath}\n`)
  })

  it('configures what the program takes, and asks on the socket where it listens', async () => {
    const configuration = configurationIn(objects)
    const file = join(directory, `${name}.pledged.yaml`)
    const urlFile = join(directory, 'ledger-url')
    const told = /ledger-url='([^']+)'/.exec(readFileSync(join(EXAMPLES, 'README.md'), 'utf8'))
    writeFileSync(urlFile, told?.[1] ?? '')
    writeFileSync(file, configuration.replace(/url_file: \S+/, `url_file: ${urlFile}`))
    const checked = await pledged(['serve', '--config', file, '--check-config', '--json'])
    expect(checked, checked.stderr).toMatchObject({ code: 0 })
    const asked = containers.flatMap(({ env }) => env ?? []).filter((one) => one.name === 'PLEDGED_ADDRESS')
    const { listen } = JSON.parse(checked.stdout) as { listen: string }
    const words = containers.flatMap(({ args }) => args ?? [])
    const flagged = words[words.indexOf('--listen') + 1]
    const listens = words.includes('--listen') ? flagged : listen
    expect(new Set(asked.map(({ value }) => value))).toEqual(new Set([listens]))
  })
})

it.each([
  [
    'a field that is not there',
    'startupProbe:',
    'startUpProbe:',
    /startUpProbe: the API knows no such field/,
  ],
  ['a value of another type', 'periodSeconds: 2', 'periodSeconds: 2s', /periodSeconds must be integer/],
  ['a field that is missing', 'name: pledged\n', 'stdin: true\n', /must have required property name/],
])('would see %s', (_what, right, wrong, mistake) => {
  const text = readFileSync(join(EXAMPLES, 'native-sidecar.yaml'), 'utf8')
  expect(text).toContain(right)
  const file = join(directory, 'wrong.yaml')
  writeFileSync(file, text.replace(right, wrong))
  expect(readManifest(file).flatMap(mistakesIn).join('\n')).toMatch(mistake)
})

function configurationIn(objects: ReturnType<typeof readManifest>): string {
  const map = objects.find(({ kind }) => kind === 'ConfigMap')
  const { data } = new ConfigMap(map as never)
  return data?.['pledged.yaml'] ?? ''
}
