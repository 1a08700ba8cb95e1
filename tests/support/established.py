"""Wait until the API server serves the kinds of CRDs."""

from __future__ import annotations

from collections.abc import Callable

from installation import eventually


def wait_for_kinds(kubectl: Callable[..., str], *names: str) -> None:
    """Wait until these CRDs, or all, are served; `kubectl(*arguments)` returns what it printed.

    `kubectl wait` ends with an error, not later, at a CRD that has no condition yet.
    """
    which = names or ("--all",)

    def served() -> bool:
        try:
            kubectl("wait", "--for=condition=Established", "crd", *which, "--timeout=30s")
        except AssertionError as error:
            if "accessor error" in str(error) or "timed out" in str(error):
                return False
            raise
        return True

    eventually(served, 120)
