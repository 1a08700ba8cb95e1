"""`python -m simulacra_embedded.jobs`: run the Job controller on the cluster of KUBECONFIG."""

import argparse
from datetime import timedelta

from simulacra_embedded.jobs.controller import JobController
from simulacra_embedded.processes.program import run_until_signal


def main() -> None:
    """Parse arguments and run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulacra_embedded.jobs", description=__doc__)
    pause = "pause after a pod's first failure"
    parser.add_argument("--backoff-seconds", type=float, default=10.0, help=pause)
    backoff = timedelta(seconds=parser.parse_args().backoff_seconds)
    run_until_signal(lambda cluster: JobController(cluster, backoff).run(), "simulacra.jobs")


if __name__ == "__main__":
    main()
