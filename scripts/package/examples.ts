/** The TypeScript that the pages show, as files that a compiler can read. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Example {
  /** Where it stands, for people. */
  readonly place: string
  readonly source: string
}

const BLOCK =
  /(?:<!-- (?:the code of (?<file>\S+)|given: (?<given>(?:(?!-->)[\s\S])*)) -->\n+)?```ts\n(?<code>[\s\S]*?)\n```/g
const IMPORTS = /^import .+ from '/m

/** Of README.md and the pages in docs/. */
export function readExamples(root: string): Example[] {
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))]
  return pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) => examplesOf(page, readFileSync(join(root, page), 'utf8'), root))
}

/**
 * A block is a module as it stands, or with what its reader has by then (`<!-- given: declare const ... -->` before it).
 * A part of an example, which says whose, stands for all of that: another test sees to it that it is a part. Throws for a
 * block that is neither.
 */
export function examplesOf(page: string, text: string, root: string): Example[] {
  return [...text.matchAll(BLOCK)].map(({ groups, index }) => {
    const { file, given = '', code = '' } = (groups ?? {}) as Partial<Record<string, string>>
    const place = `${page}:${text.slice(0, index).split('\n').length}`
    if (file !== undefined) return { place, source: readFileSync(join(root, file), 'utf8') }
    if (!IMPORTS.test(code) && given === '') {
      throw new Error(
        `${place}: this \`\`\`ts block imports nothing, so that nobody can try it: write its imports, or before it, unseen, what its reader has by then (<!-- given: declare const ... -->)`,
      )
    }
    return { place, source: `${code}\n${given}` }
  })
}

/** What an example imports from the reader's own folder. */
export const COMPANIONS: Readonly<Record<string, string>> = {
  'ledger.ts': `
import { type BranchEnding, type HeldPage, type Participant, type PrepareRequest, type Vote, vote, type Xid } from 'pledged/participant'

export class Ledger implements Participant {
  readonly #held = new Set<Xid>()
  async describe() {
    return { kind: 'ledger', resourceId: 'ledger-1', keepsWitnesses: false }
  }
  async prepare({ xid, work, signal }: PrepareRequest): Promise<Vote> {
    if (signal.aborted || work.length === 0) return vote.no('nothing to do', { retryable: true })
    this.#held.add(xid)
    return vote.yes()
  }
  async commit(xid: Xid): Promise<BranchEnding> {
    this.#held.delete(xid)
    return { result: 'done', message: '', evidence: 'none' }
  }
  async abort(xid: Xid): Promise<BranchEnding> {
    return this.commit(xid)
  }
  async listPrepared(): Promise<HeldPage> {
    return { branches: [...this.#held].map((xid) => ({ xid, prepareTimeMs: 0 })), nextPageToken: '' }
  }
  async close(): Promise<void> {}
}
`,
}
