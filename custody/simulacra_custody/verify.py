"""``python -m simulacra_custody.verify LOG``: verify an audit log and its checkpoints.

Writes the log's size, its RFC 6962 root, what the checkpoints cover and what was pruned, and exits
with 0. If the log does not verify, writes the reason to standard error and exits with 1. With
``--since`` it writes the RFC 6962 proof that the log begins with an earlier checkpoint.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

from simulacra_custody.audit.checkpoints import Checkpoint, Verified, verify_checkpoints
from simulacra_custody.audit.cuts import begin_of
from simulacra_custody.audit.log import verify_segments
from simulacra_custody.audit.merkle import Tree, leaf_hash
from simulacra_custody.audit.signed_note import VerifierKey
from simulacra_custody.errors import AuditCorrupt, CustodyError
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.wiring import open_store


def main(arguments: list[str] | None = None) -> int:
    """Run the verifier and return its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        key = VerifierKey.parse(given.key) if given.key else None
        kept = [Checkpoint.open(path.read_bytes(), key) for path in given.checkpoint]
        since = Checkpoint.open(given.since.read_bytes(), key) if given.since else None
        store = _open(given.log)
    except (ValueError, OSError, CustodyError) as error:
        parser.error(str(error))
    try:
        found = verify_checkpoints(store, key, [*kept, since] if since else kept)
        if since is not None:
            sys.stdout.write(json.dumps(_proof(store, since, found), indent=2) + "\n")
            return 0
        _check_days(found, given.days)
    except CustodyError as error:
        sys.stderr.write(f"audit log does not verify: {error}\n")
        return 1
    head = found.head
    signed = "signed by the key" if key else "signatures not checked, give --key"
    sys.stdout.write(
        f"audit log verified: {head.size} events in {head.segment} segments, root {head.root}\n"
        f"checkpoints: {found.checkpoints}, {signed}; events after the last one: "
        f"{found.uncovered}\n"
    )
    if (cut := found.cut) is not None:
        sys.stdout.write(
            f"pruned: events 0 to {cut.size - 1}, from before {cut.until.isoformat()}, on "
            f"{cut.at.isoformat()} (they are kept for {cut.days} days)\n"
        )
    return 0


def _check_days(found: Verified, days: int | None) -> None:
    if found.cut is not None and days is not None and found.cut.days < days:
        raise AuditCorrupt(
            f"cut {found.cut.number} keeps events for {found.cut.days} days, fewer than {days}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_custody.verify", description="Verify an audit log."
    )
    parser.add_argument("log", metavar="LOG", help="store of the log: a directory or an s3:// URL")
    parser.add_argument(
        "--key", help="verifier key of the checkpoints: audit_log of the published keys"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint that you kept; may be repeated",
    )
    parser.add_argument(
        "--days", type=int, help="for how many days the log must keep events, if it was pruned"
    )
    parser.add_argument(
        "--since", type=Path, metavar="FILE", help="write the proof from this checkpoint to the end"
    )
    return parser


def _open(log: str) -> ObjectStore:
    if "://" in log:
        return open_store({"LOG": log}, "LOG")
    if not Path(log).is_dir():
        raise ValueError(f"LOG must be a directory or an s3:// URL, not {log}")
    return LocalStore(Path(log))


def _proof(store: ObjectStore, since: Checkpoint, found: Verified) -> dict[str, object]:
    begin = begin_of(found.cut)
    leaves = [leaf_hash(line) for _, lines in verify_segments(store, begin) for line in lines]
    tree = Tree(leaves, begin.size, begin.peaks)
    try:
        steps = tree.consistency_proof(since.size)
    except ValueError as error:  # the checkpoint is older than the cut, or the log became shorter
        raise AuditCorrupt(str(error)) from None
    return {
        "old_size": since.size,
        "old_root": since.root,
        "size": tree.size,
        "root": tree.hash(0, tree.size).hex(),
        "proof": [base64.b64encode(step).decode() for step in steps],
    }


if __name__ == "__main__":
    sys.exit(main())
