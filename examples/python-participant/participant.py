#!/usr/bin/env python3
"""A participant of Pledged, written from proto/pledged/v1/participant_service.proto alone: a ledger of accounts.

Its work is JSON: {"add": {"alice": -5, "bob": 5}}. No balance goes below zero. The ledger is an SQLite file, and
everything that the protocol asks of a participant is in its six tables:

  meta       the resource's own id: the same for ever
  accounts   the ledger
  pledges    what was voted yes and waits for its decision
  locks      which accounts a pledge holds: nobody else may change them until it has ended
  witnesses  how branches ended: the proof that a commit happened, and the bar against prepares that come late
  logs       the newest epoch of each coordinator's log: an older one is refused

  ./generate && ./participant.py --listen 127.0.0.1:9001 --file ledger.db
"""

import argparse
import json
import os
import re
import secrets
import signal
import sqlite3
import sys
import threading
import time
from concurrent import futures
from contextlib import contextmanager

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generated"))
try:
    import grpc
    from google.protobuf import any_pb2
    from google.rpc import error_details_pb2, status_pb2
    from pledged.v1 import branch_pb2 as branch
    from pledged.v1 import participant_service_pb2 as service
    from pledged.v1 import participant_service_pb2_grpc as service_grpc
except ImportError as error:
    sys.exit(f"participant.py: {error}: run ./generate first, with a Python that has grpcio (Debian: python3-grpcio)")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pledges (xid TEXT, branch TEXT, work BLOB NOT NULL, prepared_ms INTEGER NOT NULL,
  PRIMARY KEY (xid, branch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locks (account TEXT PRIMARY KEY, xid TEXT NOT NULL, branch TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witnesses (xid TEXT, branch TEXT, outcome TEXT NOT NULL,
  PRIMARY KEY (xid, branch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (log_id TEXT PRIMARY KEY, epoch TEXT NOT NULL) WITHOUT ROWID;
"""

XID = re.compile(r"[0-9a-z]{12}\.[1-9][0-9]{0,8}-[0-9a-z]{4}\.[1-9][0-9]{0,14}")
BRANCH = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
EPOCH = re.compile(r"[1-9][0-9]{0,8}-[0-9a-z]{4}")
WORK_BYTES_MAX = 1 << 20
BALANCE_MAX = 1_000_000_000_000
PAGE_SIZE = 1_000
PAGE_SIZE_MAX = 10_000
EVIDENCE = {"committed": branch.EVIDENCE_WITNESS_COMMITTED, "aborted": branch.EVIDENCE_WITNESS_ABORTED}


class NoVote(Exception):
    """Why the branch can't be pledged, in a sentence that reaches the application."""

    def __init__(self, message, retryable=False):
        super().__init__(message)
        self.retryable = retryable


class Refused(Exception):
    """A call that isn't served. Nothing has happened."""

    def __init__(self, code, message, reason=None):
        super().__init__(message)
        self.code = code
        self.reason = reason


class Ledger:
    """The resource. Each method is one SQLite transaction, or a part of one: whatever kills the process, all of it
    happened or nothing did. Nothing is kept in memory from one call to the next."""

    def __init__(self, file):
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=10)
        # FULL syncs at each COMMIT. Below it a yes vote doesn't survive a loss of power; SQLite forgets the setting
        # with each connection, so it is made here, and read back.
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        if self._one("PRAGMA synchronous") != (2,):
            sys.exit(f"participant.py: {file} can't be set to synchronous = FULL, so it can't keep a pledge")
        self._db.executescript(SCHEMA)
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('resource_id', ?)", (f"ledger-{secrets.token_hex(8)}",))

    @contextmanager
    def transaction(self):
        """Serialises the verbs of all xids, which is the simplest way to serialise those of one. The COMMIT at its end
        is where the disk is forced; only after it may an answer leave."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _one(self, sql, values=()):
        return self._db.execute(sql, values).fetchone()

    def resource_id(self):
        return self._one("SELECT value FROM meta WHERE key = 'resource_id'")[0]

    def admit(self, log_id, epoch):
        """An older epoch of a log, or another of the same number, comes from an old copy of that log, or from a clone."""
        row = self._one("SELECT epoch FROM logs WHERE log_id = ?", (log_id,))
        if row == (epoch,):
            return
        if row is not None and int(epoch.split("-")[0]) <= int(row[0].split("-")[0]):
            message = f"log {log_id} was opened in epoch {row[0]}; {epoch} comes from an old copy of it, or from a clone"
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, message, "EPOCH_SUPERSEDED")
        self._db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?)", (log_id, epoch))

    def prepare(self, xid, name, work):
        """Returns with a durable pledge, or raises NoVote and keeps nothing."""
        held = self._one("SELECT work FROM pledges WHERE xid = ? AND branch = ?", (xid, name))
        if held is not None:
            if held[0] == work:
                return  # It was asked before. The pledge stands.
            raise NoVote(f"{xid} is prepared here with other work")
        outcome = self.outcome(xid, name)
        if outcome is not None:
            raise NoVote(f"{xid} has {outcome} here: this prepare comes late")
        for account, amount in read_work(work).items():
            self._lock_account(xid, name, account)
            balance = self._balance(account)
            if not 0 <= balance + amount <= BALANCE_MAX:
                raise NoVote(f"account {account!r} has {balance}: {amount} more is beyond what a balance may be")
        self._db.execute("INSERT INTO pledges VALUES (?, ?, ?, ?)", (xid, name, work, int(time.time() * 1000)))

    def commit(self, xid, name):
        """The work, the witness and the end of the pledge: in one transaction, so that each proves the others."""
        held = self._one("SELECT work FROM pledges WHERE xid = ? AND branch = ?", (xid, name))
        if held is None:
            return self._ended_before(xid, name, "committed")
        add = "INSERT INTO accounts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET balance = balance + excluded.balance"
        self._db.executemany(add, read_work(held[0]).items())
        self._end(xid, name, "committed")
        return branch.BRANCH_RESULT_DONE, branch.EVIDENCE_WITNESS_COMMITTED

    def abort(self, xid, name):
        """Also where nothing is prepared: the witness then bars the prepare, which may be on its way still."""
        held = self._one("SELECT 1 FROM pledges WHERE xid = ? AND branch = ?", (xid, name))
        if held is None and self.outcome(xid, name) is not None:
            return self._ended_before(xid, name, "aborted")
        self._end(xid, name, "aborted")
        return branch.BRANCH_RESULT_DONE, branch.EVIDENCE_WITNESS_ABORTED

    def outcome(self, xid, name):
        row = self._one("SELECT outcome FROM witnesses WHERE xid = ? AND branch = ?", (xid, name))
        return None if row is None else row[0]

    def list_prepared(self, after, limit):
        """By key: what comes after the last branch of the page before. An offset would skip others as branches end."""
        sql = "SELECT xid, branch, prepared_ms FROM pledges WHERE (xid, branch) > (?, ?) ORDER BY xid, branch LIMIT ?"
        return self._db.execute(sql, (*after, limit)).fetchall()

    def forget(self, xid, name):
        """The witness only. A pledge ends by its decision, and by nothing else."""
        self._db.execute("DELETE FROM witnesses WHERE xid = ? AND branch = ?", (xid, name))

    def _ended_before(self, xid, name, wanted):
        """Nothing is prepared. That proves nothing by itself: only the witness says how the branch ended."""
        outcome = self.outcome(xid, name)
        if outcome is None:
            return branch.BRANCH_RESULT_BROKEN, branch.EVIDENCE_NO_WITNESS
        result = branch.BRANCH_RESULT_DONE_BEFORE if outcome == wanted else branch.BRANCH_RESULT_BROKEN
        return result, EVIDENCE[outcome]

    def _end(self, xid, name, outcome):
        self._db.execute("DELETE FROM pledges WHERE xid = ? AND branch = ?", (xid, name))
        self._db.execute("DELETE FROM locks WHERE xid = ? AND branch = ?", (xid, name))
        self._db.execute("INSERT INTO witnesses VALUES (?, ?, ?)", (xid, name, outcome))

    def _lock_account(self, xid, name, account):
        """Voted no at once where another holds it: two that wait for each other in two participants would wait for ever."""
        holder = self._one("SELECT xid FROM locks WHERE account = ?", (account,))
        if holder is not None:
            raise NoVote(f"account {account!r} is held by {holder[0]}, which is prepared", retryable=True)
        self._db.execute("INSERT INTO locks VALUES (?, ?, ?)", (account, xid, name))

    def _balance(self, account):
        row = self._one("SELECT balance FROM accounts WHERE name = ?", (account,))
        return 0 if row is None else row[0]


def read_work(work):
    """The changes by account, in an order that is the same for everyone. Raises NoVote: work is other people's."""
    if len(work) > WORK_BYTES_MAX:
        raise NoVote(f"the work has {len(work)} bytes, and {WORK_BYTES_MAX} are allowed")
    try:
        changes = json.loads(work.decode("utf-8"))["add"]
        valid = isinstance(changes, dict) and len(changes) > 0 and all(map(is_change, changes.items()))
    except (ValueError, KeyError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise NoVote('malformed work: expected {"add": {"ACCOUNT": AMOUNT, ...}} with whole amounts')
    return dict(sorted(changes.items()))


def is_change(change):
    account, amount = change
    fits = type(amount) is int and abs(amount) <= BALANCE_MAX
    return fits and 1 <= len(account) <= 100 and account.isprintable()


class Participant(service_grpc.ParticipantServiceServicer):
    """The wire: what comes in is checked, what goes out says no more than what the ledger has on its disk."""

    def __init__(self, ledger):
        self._ledger = ledger

    def PrepareBranch(self, request, context):
        with self._admitted(request, context):
            try:
                with self._ledger.transaction():
                    self._ledger.prepare(request.xid, request.branch, request.work)
            except NoVote as refusal:
                no, reason = branch.VOTE_NO, str(refusal)[:1000]
                return service.PrepareBranchResponse(vote=no, message=reason, retryable=refusal.retryable)
            return service.PrepareBranchResponse(vote=branch.VOTE_YES)

    def CommitBranch(self, request, context):
        with self._admitted(request, context):
            with self._ledger.transaction():
                result, evidence = self._ledger.commit(request.xid, request.branch)
            return service.CommitBranchResponse(result=result, evidence=evidence)

    def AbortBranch(self, request, context):
        with self._admitted(request, context):
            with self._ledger.transaction():
                result, evidence = self._ledger.abort(request.xid, request.branch)
            return service.AbortBranchResponse(result=result, evidence=evidence)

    def ListPreparedBranches(self, request, context):
        with self._admitted(request, context):
            limit = min(request.page_size, PAGE_SIZE_MAX) if request.page_size > 0 else PAGE_SIZE
            with self._ledger.transaction():
                rows = self._ledger.list_prepared(read_token(request.page_token), limit + 1)
            page = service.ListPreparedBranchesResponse()
            for xid, name, prepared_ms in rows[:limit]:
                page.branches.add(xid=xid, branch=name).prepare_time.FromMilliseconds(prepared_ms)
            if len(rows) > limit:
                page.next_page_token = "/".join(rows[limit - 1][:2])
            return page

    def DescribeParticipant(self, request, context):
        with self._admitted(request, context):
            with self._ledger.transaction():
                own_id = self._ledger.resource_id()
            return service.DescribeParticipantResponse(resource_id=own_id, kind="python-ledger", keeps_witnesses=True)

    def GetBranchEvidence(self, request, context):
        with self._admitted(request, context):
            with self._ledger.transaction():
                outcome = self._ledger.outcome(request.xid, request.branch)
            return service.GetBranchEvidenceResponse(evidence=EVIDENCE.get(outcome, branch.EVIDENCE_NO_WITNESS))

    def ForgetBranches(self, request, context):
        with self._admitted(request, context):
            with self._ledger.transaction():
                for xid in request.xids:
                    self._ledger.forget(xid, request.branch)
            return service.ForgetBranchesResponse()

    @contextmanager
    def _admitted(self, request, context):
        """Who calls, and whether what they name are names. Whatever else goes wrong becomes an error status, which the
        coordinator takes for a no vote, or for a result that is unknown: never for one that is done."""
        try:
            check_names(request)
            self._admit(context)
            yield
        except Refused as refusal:
            if refusal.reason is not None:
                context.set_trailing_metadata([("grpc-status-details-bin", details_of(refusal))])
            context.abort(refusal.code, str(refusal))

    def _admit(self, context):
        metadata = dict(context.invocation_metadata())
        log_id, epoch = metadata.get("pledged-log-id"), metadata.get("pledged-epoch")
        if log_id is None or epoch is None:
            return  # No coordinator: a person with grpcurl, say.
        if EPOCH.fullmatch(epoch) is None:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{epoch!r} is not an epoch")
        with self._ledger.transaction():
            self._ledger.admit(log_id, epoch)


def check_names(request):
    fields = request.DESCRIPTOR.fields_by_name
    xids = [request.xid] if "xid" in fields else request.xids if "xids" in fields else []
    for xid in xids:
        if XID.fullmatch(xid) is None:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{xid[:100]!r} is not an xid")
    if "branch" in fields and BRANCH.fullmatch(request.branch) is None:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{request.branch[:100]!r} is not a branch")


def read_token(token):
    xid, slash, name = token.partition("/")
    if token != "" and (XID.fullmatch(xid) is None or slash == "" or BRANCH.fullmatch(name) is None):
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the page token is not one that was given out here")
    return xid, name


def details_of(refusal):
    """google.rpc.ErrorInfo, by which the coordinator tells this refusal from others."""
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain="pledged.dev")
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=refusal.code.value[0], message=str(refusal), details=[detail]).SerializeToString()


def main():
    parser = argparse.ArgumentParser(description="a ledger that takes part in Pledged's transactions")
    parser.add_argument("--listen", default="127.0.0.1:9001", help="HOST:PORT; keep it on loopback, there is no TLS here")
    parser.add_argument("--file", default="ledger.db", help="made where there is none")
    arguments = parser.parse_args()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        # Two processes on one port would each serve half of the calls.
        options=[("grpc.so_reuseport", 0)],
    )
    service_grpc.add_ParticipantServiceServicer_to_server(Participant(Ledger(arguments.file)), server)
    if server.add_insecure_port(arguments.listen) == 0:
        sys.exit(f"participant.py: can't listen at {arguments.listen}: is it taken?")
    server.start()
    print(f"listening at {arguments.listen}", flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    stopped.wait()
    server.stop(grace=5).wait()


if __name__ == "__main__":
    main()
