/**
 * proto/ as data, read by buf when the tests start: every method that is in the contract is fuzzed, and every field,
 * without a list here that could be forgotten.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export type Scalar = 'string' | 'bytes' | 'bool' | 'int32' | 'int64' | 'uint32' | 'uint64' | 'enum'

export interface Field {
  readonly name: string
  readonly number: number
  readonly repeated: boolean
  readonly type: { readonly scalar: Scalar } | { readonly message: string }
}

export interface Method {
  /** `/pledged.v1.AdminService/GetStatus` */
  readonly path: string
  readonly service: string
  readonly name: string
  readonly request: string
  readonly response: string
  readonly clientStreams: boolean
  readonly serverStreams: boolean
}

export interface Contract {
  readonly methods: readonly Method[]
  readonly fieldsOf: (message: string) => readonly Field[]
}

interface FieldSource {
  readonly name: string
  readonly number: number
  readonly label: string
  readonly type: string
  readonly typeName?: string
}
interface MessageSource {
  readonly name: string
  readonly field?: readonly FieldSource[]
  readonly nestedType?: readonly MessageSource[]
}
interface MethodSource {
  readonly name: string
  readonly inputType: string
  readonly outputType: string
  readonly clientStreaming?: boolean
  readonly serverStreaming?: boolean
}
interface FileSource {
  readonly package: string
  readonly messageType?: readonly MessageSource[]
  readonly service?: readonly { readonly name: string; readonly method: readonly MethodSource[] }[]
}

const ROOT = resolve(import.meta.dirname, '../..')

export function readContract(): Contract {
  const messages = new Map<string, readonly Field[]>()
  const methods: Method[] = []
  for (const file of filesOfContract()) {
    for (const message of file.messageType ?? []) addMessage(messages, file.package, message)
    for (const service of file.service ?? []) {
      for (const method of service.method) methods.push(methodOf(`${file.package}.${service.name}`, method))
    }
  }
  return {
    methods,
    fieldsOf: (message) => {
      const fields = messages.get(message)
      if (fields === undefined) throw new Error(`proto/ has no message ${message}`)
      return fields
    },
  }
}

function filesOfContract(): readonly FileSource[] {
  const directory = mkdtempSync(join(tmpdir(), 'pledged-contract-'))
  try {
    const output = join(directory, 'contract.json')
    const buf = join(ROOT, 'node_modules', '.bin', 'buf')
    execFileSync(buf, ['build', '--as-file-descriptor-set', '-o', output], { cwd: ROOT, stdio: 'pipe' })
    return (JSON.parse(readFileSync(output, 'utf8')) as { file: FileSource[] }).file
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function addMessage(messages: Map<string, readonly Field[]>, scope: string, message: MessageSource): void {
  const name = `${scope}.${message.name}`
  messages.set(name, (message.field ?? []).map(fieldOf))
  for (const nested of message.nestedType ?? []) addMessage(messages, name, nested)
}

function fieldOf({ name, number, label, type, typeName = '' }: FieldSource): Field {
  const short = type.replace('TYPE_', '').toLowerCase()
  return {
    name,
    number,
    repeated: label === 'LABEL_REPEATED',
    type: short === 'message' ? { message: typeName.slice(1) } : { scalar: short as Scalar },
  }
}

function methodOf(service: string, method: MethodSource): Method {
  return {
    path: `/${service}/${method.name}`,
    service,
    name: method.name,
    request: method.inputType.slice(1),
    response: method.outputType.slice(1),
    clientStreams: method.clientStreaming === true,
    serverStreams: method.serverStreaming === true,
  }
}
