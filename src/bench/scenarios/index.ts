/** The scenarios by name. */
import { nullScenario } from './null.ts'
import type { Scenario } from './scenario.ts'

export type { Scenario } from './scenario.ts'

export const SCENARIOS = {
  null: nullScenario({
    measures:
      'transactions of two null participants over sessions, beside bare unary gRPC calls and unary transactions',
    transports: ['session', 'unary'],
  }),
  unary: nullScenario({
    measures: 'transactions of two null participants by unary calls, beside bare unary gRPC calls',
    transports: ['unary'],
  }),
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof SCENARIOS
