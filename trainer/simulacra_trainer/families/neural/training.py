"""Training: AdamW, half fixed and half random column orders, averaged weights, early stopping.

Several workers share each batch and fit the model that one worker would, up to the rounding of
sums. The budget is work, not time: the number of steps follows from the shape of the table, so a
busy machine fits the same model as an idle one, later. After every interval of steps the averaged
weights are scored on held-out rows; training ends when they stop improving, and the best ones are
used. bfloat16 is for GPUs only: at these sizes it is slower on a CPU that supports it (60 ms a step
against 34 ms).
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import Tensor

from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import Progress
from simulacra_trainer.families.neural.batches import TableBatches
from simulacra_trainer.families.neural.network import WIDTH, Batch, Network
from simulacra_trainer.families.neural.training_context import (
    BEST,
    LAST,
    TRAINED,
    CheckpointFiles,
    CheckpointWriter,
    TrainingContext,
    load,
    save,
)
from simulacra_trainer.families.neural.worker_group import GroupEnvironment
from simulacra_trainer.workers import Workers

LEARNING_RATE, MIN_RATE, FULL_RATE_ROWS = 3e-3, 1e-3, 5000
"""The rate of smaller tables falls with the square root of the rows, or they overfit early."""
WARM_UP_STEPS, CLIP = 100, 2.0
DROPOUT, DROPOUT_ROWS, DROPOUT_POWER, MIN_DROPOUT, MAX_DROPOUT = 0.45, 2000, 0.35, 0.2, 0.5
"""Dropout share at DROPOUT_ROWS rows; it falls with a power of the rows."""
DECAY = 0.1
APART_DECAY, APART_RATE = 0.5, 0.1
"""Weights of single bins decay faster and learn at a tenth of the rate."""
AVERAGE = 0.99
PATIENCE = 2
BUDGET_S, BUDGET_CELLS, BUDGET_POWER, MIN_BUDGET_S = 30.0, 100_000, 0.25, 5.0
STEP_S, CELL_S = 0.004, 4.0e-6
"""Seconds of a step on two cores, fixed and per value of the batch; convert seconds to steps."""


@dataclass(frozen=True)
class TrainingPlan:
    """Settings that determine a training together with the table.

    Attributes:
        seed: of batches and dropout.
        intervals: maximum number of intervals between two validations.
        dropped: how many of 256 activations are dropped.
    """

    seed: int
    on_gpu: bool
    intervals: int
    rate: float
    dropped: int


def plan_training(batches: TableBatches, *, seed: int, gpus: int) -> TrainingPlan:
    """Return the plan for a table of this shape."""
    rows, columns = batches.table.codes.shape
    budget_s = max(BUDGET_S * (rows * columns / BUDGET_CELLS) ** BUDGET_POWER, MIN_BUDGET_S)
    step_s = STEP_S + CELL_S * batches.batch_rows * columns
    intervals = max(round(budget_s / step_s / batches.interval), 2)
    rate = LEARNING_RATE * min((rows / FULL_RATE_ROWS) ** 0.5, 1.0)
    dropout = DROPOUT * (DROPOUT_ROWS / rows) ** DROPOUT_POWER
    dropped = round(256 * min(max(dropout, MIN_DROPOUT), MAX_DROPOUT))
    on_gpu = gpus > 0 and torch.cuda.is_available()
    return TrainingPlan(seed, on_gpu, intervals, max(rate, MIN_RATE), dropped)


def train(
    network: Network,
    batches: TableBatches,
    plan: TrainingPlan,
    context: TrainingContext,
    progress: Progress,
) -> None:
    """Train the network in place.

    network: untrained; in the leader it ends with the best averaged weights.
    """
    torch.set_num_threads(threads())
    context.directory.mkdir(parents=True, exist_ok=True)
    with _silence():
        if (ended := context.found(TRAINED)) is not None:
            network.load_state_dict(load(ended))
            return
        module = TrainedNetwork(network, plan, context.workers)
        trainer = _trainer(module, batches, plan, context, progress)
        trainer.fit(module, datamodule=batches, ckpt_path=context.found(LAST), weights_only=True)
        if context.leads:
            best = load(context.directory / f"{BEST}.ckpt")
            module.cpu().load_state_dict(best["state_dict"])
            _store_trained(network, context)


def _trainer(
    module: TrainedNetwork,
    batches: TableBatches,
    plan: TrainingPlan,
    context: TrainingContext,
    progress: Progress,
) -> pl.Trainer:
    averaging = EMAWeightAveraging(decay=AVERAGE, use_buffers=False)
    stopping = EarlyStopping("nll", patience=PATIENCE, check_on_train_epoch_end=False)
    writer = CheckpointWriter(context)
    group = context.group
    strategy: Strategy | str = "auto"
    if group is not None:
        # DDP must know that a table without numbers leaves the weights of numbers unused.
        has_numbers = any(table.is_ordered for table in module.network.tables)
        strategy = DDPStrategy(find_unused_parameters=not has_numbers)
    return pl.Trainer(
        accelerator="cuda" if plan.on_gpu else "cpu",
        devices=1,
        num_nodes=1 if group is None else group.workers.size,
        strategy=strategy,
        plugins=[
            CheckpointFiles(context.directory),
            *([] if group is None else [GroupEnvironment(group.workers)]),
        ],
        use_distributed_sampler=False,
        precision="bf16-mixed" if plan.on_gpu and torch.cuda.is_bf16_supported() else "32-true",
        max_epochs=plan.intervals,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=context.directory,
        callbacks=[
            averaging,
            stopping,
            writer,
            _ReportProgress(progress, plan.intervals * batches.interval),
        ],
    )


def _store_trained(network: Network, context: TrainingContext) -> None:
    """Replace the checkpoints by the final weights."""
    whole = context.directory / f"{TRAINED}.ckpt"
    part = whole.with_suffix(".part")
    save(network.state_dict(), part)
    part.replace(whole)
    for name in (LAST, BEST):
        (context.directory / f"{name}.ckpt").unlink(missing_ok=True)
    context.on_change()


class TrainedNetwork(pl.LightningModule):
    """The network with its loss and optimizer."""

    def __init__(
        self, network: Network, plan: TrainingPlan, workers: Workers | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.plan = plan
        self.workers = workers

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss of a batch, scaled so that one rate suits any number of columns."""
        c, n = batch.codes.shape
        workers = 1 if self.workers is None else self.workers.size
        generator = torch.Generator(batch.codes.device)
        generator.manual_seed(self.plan.seed * 1_000_003 + self.global_step)
        # Every worker draws for the whole batch and takes its rows, so all drop what one would.
        rows = slice(0, n) if self.workers is None else self.workers.part(n * workers)
        shape = (c, n * workers, WIDTH)
        keep = (self._dropout(shape, generator)[:, rows], self._dropout(shape, generator)[:, rows])
        return self.network.nll(batch, keep).sum() / c**0.5

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Log nats per row."""
        nats = self.network.nll(batch).sum()
        self.log("nll", nats, on_epoch=True, batch_size=batch.codes.shape[1])

    def configure_gradient_clipping(self, *_: object, **__: object) -> None:
        """Clip by norm; Lightning does not allow this with a fused optimizer."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), CLIP)

    def configure_optimizers(self) -> dict[str, Any]:
        """Return AdamW without decay of biases and gates; the rate warms up, then stays."""
        plain, matrices, apart = list[Tensor](), list[Tensor](), list[Tensor]()
        free = {
            id(p)
            for table in self.network.tables
            if table.is_ordered
            for p in (table.embed, table.head, table.slope)
        }
        for name, parameter in self.network.named_parameters():
            is_plain = name.rpartition(".")[2] in ("b1", "b2", "bias", "gate")
            (plain if is_plain else apart if id(parameter) in free else matrices).append(parameter)
        groups = [
            {"params": plain, "weight_decay": 0.0},
            {"params": matrices, "weight_decay": DECAY},
            {"params": apart, "weight_decay": APART_DECAY, "lr": self.plan.rate * APART_RATE},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.plan.rate, betas=(0.9, 0.99), fused=True)
        warm_up = torch.optim.lr_scheduler.LinearLR(
            optimizer, 1 / WARM_UP_STEPS, total_iters=WARM_UP_STEPS
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": warm_up, "interval": "step"}}

    def _dropout(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return dropout factors; each draw of 64 bits gives eight, which is cheap."""
        size = shape[0] * shape[1] * shape[2]
        bits = torch.empty(-(-size // 8), dtype=torch.int64, device=generator.device)
        bits.random_(-(2**63), None, generator=generator)
        drawn = bits.view(torch.uint8)[:size].view(shape)
        dropped = self.plan.dropped
        return (drawn >= dropped).to(torch.float32) * (256.0 / (256 - dropped))


class _ReportProgress(Callback):
    """Reports the share of steps done."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._progress, self._steps = progress, steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Report after each step."""
        self._progress(min(trainer.global_step / self._steps, 1.0))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress Lightning's banners, hints and warnings."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
