"""Check of an installation: API and operator are ready, the store keeps an object."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

DEADLINE = time.monotonic() + float(os.environ["CHECK_SECONDS"])


def get(url: str) -> bytes:
    """Return a body; tried until there is one or the time is up."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read()
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > DEADLINE:
                told = (
                    error.read(2000).decode(errors="replace")
                    if isinstance(error, urllib.error.HTTPError)
                    else ""
                )
                sys.exit(
                    f"FAILED {url}: {error} {told}. Look at `kubectl get pods` and `kubectl logs`"
                    " of that Deployment."
                )
            time.sleep(2)


def store(variable: str, *, write: bool) -> None:
    """Write, read and erase an object; only read the audit log, which may refuse erasure."""
    from simulacra_custody.errors import CustodyError
    from simulacra_custody.wiring import open_store

    try:
        opened = open_store(os.environ, variable)
        key = f"installation/check/{uuid.uuid4()}"
        if write:
            opened.put(key, [b"check"])
            if b"".join(opened.open_range(key)) != b"check":
                sys.exit(f"FAILED {variable}: what was read is not what was written")
            opened.delete(key)
        if opened.stat(key) is not None:
            sys.exit(f"FAILED {variable}: the object is still there after its deletion")
    except CustodyError as error:
        sys.exit(
            f"FAILED {variable}: {error}. Check its address, bucket, credentials and NetworkPolicy."
        )


api, operator = os.environ["CHECK_API"], os.environ["CHECK_OPERATOR"]
api_metrics = os.environ["CHECK_API_METRICS"]
get(f"{operator}/readyz")
get(f"{api}/readyz")
if "paths" not in json.loads(get(f"{api}/openapi.json")):
    sys.exit("FAILED: the API does not describe itself")
for url, metric in (
    (api_metrics, b"simulacra_api_requests_total"),
    (operator, b"simulacra_sweep_age_seconds"),
):
    if metric not in get(f"{url}/metrics"):
        sys.exit(f"FAILED: {url}/metrics does not have {metric.decode()}")
store("SIMULACRA_STORE", write=True)
store("SIMULACRA_AUDIT", write=False)
print("ok: API, operator, store and audit log answer")
