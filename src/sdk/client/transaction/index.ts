/**
 * Transactions on the application's own connections (early pledge). `Transactions` is what a client builds them with, over
 * its `Sessions`; branch.ts is the port that a resource's own package implements.
 *
 * What its caller may rely on: before the commit is asked for, every failure rolls everything back; from then on a branch is
 * only ended as the coordinator has said, and left to it where that couldn't be learned (R1).
 */
export type { BranchContext, BranchOpening, OpenBranch } from './branch.ts'
export type { TransactionPorts } from './ports.ts'
export { Transactions, type TransactionsOptions } from './transactions.ts'
