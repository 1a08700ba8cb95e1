"""``python -m simulacra_custody.export_audit``: audit records as JSON lines, for a SIEM.

Reads the store of ``SIMULACRA_AUDIT`` and writes the records of every tenant and of none, oldest
first. With a cursor file it writes those that are new since the last call. The file is written
after the records: a call that was interrupted repeats some, with the same ``metadata.uid``.
"""

import argparse
import json
import sys
from pathlib import Path

from simulacra_custody.audit.ocsf import ocsf_event
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.errors import CustodyError
from simulacra_custody.wiring import open_audit

PAGE = 500


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_custody.export_audit",
        description="Write audit records as JSON lines, oldest first.",
    )
    parser.add_argument("--tenant", help="name of a tenant; by default all records")
    parser.add_argument(
        "--format", choices=["ocsf", "cloudevents"], default="ocsf", help="by default ocsf"
    )
    parser.add_argument(
        "--cursor-file", type=Path, metavar="FILE", help="where the next call goes on"
    )
    given = parser.parse_args(arguments)
    cursor: Path | None = given.cursor_file
    try:
        kept = cursor.read_text() if cursor is not None and cursor.exists() else ""
        position = int(kept) if kept else None
        reader, more = AuditReader(open_audit()), True
        while more:
            page = reader.page(given.tenant, limit=PAGE, position=position, oldest_first=True)
            if page.skipped and page.cut is not None:
                sys.stderr.write(
                    f"records from before {page.cut.until.isoformat()} were pruned before they "
                    "were exported\n"
                )
            for event in page.events:
                ocsf = given.format == "ocsf"
                line = json.dumps(ocsf_event(event)) if ocsf else event.line().decode()
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            position, more = page.position, page.more
            if cursor is not None:
                cursor.write_text(f"{position}\n")
    except (CustodyError, OSError, ValueError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
