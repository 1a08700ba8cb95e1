"""``python -m simulacra_custody.export_certificates TENANT``: the erasure certificates of a tenant, one JSON document a line.

For who runs the installation, to hand a customer who has left what the API would have given: the tenant's token no
longer works, the certificates are kept for their time. Reads the store that ``SIMULACRA_AUDIT`` names. Each line is a
file for ``simulacra verify-certificate``. Ends with 1 where there is none.
"""

import argparse
import base64
import json
import sys
from typing import Any

from simulacra_custody.errors import CustodyError, SettingsError
from simulacra_custody.wiring import open_certificates


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_custody.export_certificates",
        description="Erasure certificates of a tenant, as JSON lines.",
    )
    parser.add_argument(
        "tenant", metavar="TENANT", help="its name, or its uid where the name was used again"
    )
    tenant = parser.parse_args(arguments).tenant
    count = 0
    try:
        for signed in open_certificates().every():
            statement = _statement(signed)
            if tenant in (statement["tenant"], statement["tenant_uid"]):
                sys.stdout.write(json.dumps({"statement": statement, "signature": signed}) + "\n")
                count += 1
    except (SettingsError, CustodyError) as error:
        parser.error(str(error))
    if not count:
        sys.stderr.write(
            f"there is no certificate of a tenant {tenant!r}; the time they are kept may be over\n"
        )
    return 0 if count else 1


def _statement(signed: str) -> dict[str, Any]:
    payload = signed.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


if __name__ == "__main__":
    sys.exit(main())
