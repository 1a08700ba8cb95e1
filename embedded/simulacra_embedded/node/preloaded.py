"""The process that pods are forks of: a fork server that has imported the trainer."""

import importlib
import sys

from simulacra_embedded.processes.fork_server import serve

_OF_TASKS = (
    "completion effects.estimate segments.prices sheet.estimate sheet.page sheet.workbook"
    " tasks.fit tasks.generate tasks.prepare tasks.use_model"
)
PRELOADED = (
    *(f"simulacra_trainer.{name}" for name in _OF_TASKS.split()),
    "simulacra_custody.verified",
    "lightgbm",
    "scipy.interpolate",
    "scipy.ndimage",
    "scipy.stats",
)
"""What tasks import, some of it late."""

if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    raise SystemExit(serve(int(sys.argv[1])))
