"""``python -m simulacra_custody.verify LOG``: verifies an audit log and its checkpoints.

Writes the log's size, its RFC 6962 root and what the checkpoints cover to standard output and ends with 0, or says
what is wrong on standard error and ends with 1. With ``--since`` the output is, for who has kept a checkpoint, the
RFC 6962 proof that the log still begins with it.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

from simulacra_custody.audit.checkpoints import Checkpoint, verify_checkpoints
from simulacra_custody.audit.log import verify_segments
from simulacra_custody.audit.merkle import consistency_proof, leaf_hash, tree_hash
from simulacra_custody.audit.signed_note import VerifierKey, note_text, open_note
from simulacra_custody.errors import AuditCorrupt, CustodyError
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.wiring import open_store


def main(arguments: list[str] | None = None) -> int:
    """Run the verifier; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_custody.verify", description="Verify an audit log."
    )
    parser.add_argument(
        "log", metavar="LOG", help="what SIMULACRA_AUDIT names: a directory, or an s3:// URL"
    )
    parser.add_argument(
        "--key",
        help="verifier key of the checkpoints, audit_log in the installation's published keys",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="one kept elsewhere",
    )
    parser.add_argument(
        "--since", type=Path, metavar="FILE", help="print the proof from this checkpoint to the end"
    )
    given = parser.parse_args(arguments)
    try:
        key = VerifierKey.parse(given.key) if given.key else None
        kept = [_kept(path, key) for path in given.checkpoint]
        since = _kept(given.since, key) if given.since else None
        store = _open(given.log)
    except (ValueError, OSError, CustodyError) as error:
        parser.error(str(error))
    try:
        found = verify_checkpoints(store, key, [*kept, since] if since else kept)
        if since is not None:
            sys.stdout.write(json.dumps(_proof(store, since), indent=2) + "\n")
            return 0
    except CustodyError as error:
        sys.stderr.write(f"audit log does not verify: {error}\n")
        return 1
    head = found.head
    sys.stdout.write(
        f"audit log verified: {head.size} events in {head.segment} segments, root {head.root}\n"
    )
    signed = "signed by the key" if key else "not checked against a key, give --key"
    sys.stdout.write(
        f"checkpoints: {found.checkpoints}, {signed}; events after the last one: {found.uncovered}\n"
    )
    return 0


def _open(log: str) -> ObjectStore:
    if "://" in log:
        return open_store({"LOG": log}, "LOG")
    if not Path(log).is_dir():
        raise ValueError("LOG is no directory")
    return LocalStore(Path(log))


def _kept(path: Path, key: VerifierKey | None) -> Checkpoint:
    note = path.read_bytes()
    return Checkpoint.parse(note_text(note) if key is None else open_note(note, key))


def _proof(store: ObjectStore, since: Checkpoint) -> dict[str, object]:
    leaves = [leaf_hash(line) for _, lines in verify_segments(store) for line in lines]
    if not 0 < since.size <= len(leaves):
        raise AuditCorrupt("the log has become shorter while it was read")
    return {
        "old_size": since.size,
        "old_root": since.root,
        "size": len(leaves),
        "root": tree_hash(leaves).hex(),
        "proof": [
            base64.b64encode(step).decode() for step in consistency_proof(leaves, since.size)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
