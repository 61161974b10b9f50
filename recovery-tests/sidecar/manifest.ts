/**
 * Kubernetes manifests, and the API's schema. The validators of `kubernetes-models` know types and what is required; a
 * field that the API doesn't have (a typing error) they let pass, as the API server does by default. So each field is tried: with
 * something absurd in its place, a validator that knows it objects.
 */
import { readFileSync } from 'node:fs'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { parseAllDocuments } from 'yaml'

/** As far as it says what it is. */
export type KubernetesObject = JsonObject & { readonly apiVersion: string; readonly kind: string }

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = { readonly [name: string]: Json }
type Path = readonly (string | number)[]

interface Validated {
  validate(): void
}

const KINDS: Readonly<Record<string, (data: JsonObject) => Validated>> = {
  'v1/ConfigMap': (data) => new ConfigMap(data),
  'v1/Service': (data) => new Service(data as never),
  'apps/v1/StatefulSet': (data) => new StatefulSet(data as never),
}

/** No field of the API takes all of these. */
const ABSURDITIES: readonly Json[] = [0.5, 'x y', true, {}]

export function readManifest(file: string): KubernetesObject[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as KubernetesObject)
}

/** What the schema has against it, with the place; empty when it is right. */
export function mistakesIn(object: KubernetesObject): string[] {
  const kind = `${object.apiVersion}/${object.kind}`
  const model = KINDS[kind]
  if (model === undefined) return [`${kind} is not a kind that is looked at here`]
  const refusal = (data: JsonObject): string | undefined => {
    try {
      model(data).validate()
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  const wrong = refusal(object)
  if (wrong !== undefined) return [wrong]
  return pathsIn(object)
    .filter((path) =>
      ABSURDITIES.every((absurdity) => refusal(replaced(object, path, absurdity)) === undefined),
    )
    .map((path) => `${path.join('.')}: the API knows no such field`)
}

/** Of all that has a name, or a number, but what says which kind it is. */
function pathsIn(value: Json, above: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return []
  const entries: [string | number, Json][] = Array.isArray(value)
    ? value.map((item: Json, index) => [index, item])
    : Object.entries(value)
  return entries
    .filter(([name]) => above.length > 0 || (name !== 'apiVersion' && name !== 'kind'))
    .flatMap(([name, item]) => [[...above, name], ...pathsIn(item, [...above, name])])
}

function replaced(object: JsonObject, path: Path, by: Json): JsonObject {
  const copy = structuredClone(object) as Record<string | number, unknown>
  const last = path.at(-1) ?? ''
  const parent = path
    .slice(0, -1)
    .reduce((within, name) => within[name] as Record<string | number, unknown>, copy)
  parent[last] = by
  return copy as JsonObject
}
