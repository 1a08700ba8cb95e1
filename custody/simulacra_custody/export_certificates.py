"""``python -m simulacra_custody.export_certificates TENANT``: a tenant's erasure certificates.

An operator of the installation gives them to a customer whose tenant is deleted and who can no
longer call the API. Reads the store of ``SIMULACRA_AUDIT`` and writes one JSON document a line,
each a file for ``simulacra verify-certificate``, with an absence proof under the newest root of
the live keys. Exits with 1 when there is no certificate.
"""

import argparse
import json
import sys

from simulacra_custody.audit.certificates import RETENTION_S, statement_of
from simulacra_custody.errors import CustodyError
from simulacra_custody.wiring import open_certificates, open_live_keys


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_custody.export_certificates",
        description="Write the erasure certificates of a tenant as JSON lines.",
    )
    parser.add_argument(
        "tenant", metavar="TENANT", help="name of the tenant, or its uid if the name was reused"
    )
    tenant = parser.parse_args(arguments).tenant
    count = 0
    try:
        live_keys = open_live_keys()
        for signed in open_certificates().read_all():
            statement = statement_of(signed)
            if tenant in (statement["tenant"], statement["tenant_uid"]):
                proof = live_keys.proof(statement)
                document = {"statement": statement, "signature": signed, "absence_proof": proof}
                sys.stdout.write(json.dumps(document) + "\n")
                count += 1
    except CustodyError as error:
        parser.error(str(error))
    if not count:
        days = int(RETENTION_S) // 86_400
        sys.stderr.write(f"no certificate of tenant {tenant!r}; they are kept for {days} days\n")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
