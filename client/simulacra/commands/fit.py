"""Command that fits a model on this machine, without a service."""

import gc
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.commands import options as opt
from simulacra.commands.corrections import Corrections, with_flags
from simulacra.commands.options import load, option, with_tiers
from simulacra.commands.output import engine_bar, note, print_result
from simulacra.commands.reading import reading
from simulacra.commands.session import errors_reported
from simulacra.engine.fit import fit as fit_model

app = typer.Typer()


@app.command(epilog="Example: simulacra fit survey.csv -o model")
@with_flags
def fit(
    file: opt.TableFile,
    output: Annotated[
        Path, option("Folder of the model to write.", "--output", "-o", file_okay=False)
    ],
    family: opt.Family = None,
    knowledge: Annotated[Path | None, opt.KnowledgeFile] = None,
    background: opt.Background = None,
    blocks: opt.Blocks = None,
    describe: Annotated[Path | None, opt.DescriptionFile] = None,
    earlier: opt.Earlier = None,
    weights: opt.Weights = None,
    epsilon: opt.Epsilon = None,
    delta: opt.Delta = None,
    privacy: opt.Privacy = None,
    gpus: Annotated[int, option("GPUs to fit on.", min=0, max=64)] = 0,
    seed: opt.Seed = None,
    as_json: opt.AsJson = False,
    **changes: Any,
) -> None:
    """Fit a model to a table on this machine, without a service; `--model` names it to commands.

    Its folder holds the table as it is: keep it as you keep the table. A neural fit that was
    interrupted resumes.
    """
    # As in a pod: collections find next to nothing among the objects of all libraries.
    gc.set_threshold(50_000, 20, 100)
    checkpoints = output / "checkpoints"
    with errors_reported("run it again to continue"):
        corrections = Corrections(**changes)
        description = corrections.into(load(describe))
        with corrections.named_in_errors(), engine_bar(as_json) as show:
            model = fit_model(
                file,
                family=family or "auto",
                knowledge=with_tiers(load(knowledge), blocks),
                background=background,
                weights=weights,
                epsilon=epsilon,
                delta=1e-6 if delta is None else delta,
                privacy=privacy or "standard",
                description=description,
                earlier=earlier,
                gpus=gpus,
                seed=seed or 0,
                checkpoints=checkpoints,
                on_progress=show,
            )
        model.save(output)
        shutil.rmtree(checkpoints, ignore_errors=True)
        note(*reading(model.schema), *model.verdicts)
        found = {"model": str(output), "rows": model.schema.rows, "verdicts": model.verdicts}
        named = shlex.quote(str(output))
        words = (
            f"The report:    simulacra report --model {named} --html report.html",
            f"Rows:          simulacra generate --model {named} --rows N -o FILE",
        )
        print_result(found, as_json, words)
