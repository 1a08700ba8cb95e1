"""What does not depend on the order of the columns, and the growth of all columns by it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.forest.growth.dependencies import Dependencies
from simulacra_trainer.families.forest.growth.feature_screen import Screen
from simulacra_trainer.families.forest.growth.grow import ColumnGrower
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.samplers import Method, Sampler


@dataclass(frozen=True)
class Structure:
    """Dependencies and, in wide tables, pairwise information of the columns."""

    dependencies: Dependencies
    screen: Screen


def find_structure(data: TrainingRows) -> Structure:
    """Return the structure of the training table."""
    numeric = [not codec.is_category for codec in data.codecs]
    dependencies = Dependencies(data.values, numeric, data.persons, data.nested)
    return Structure(dependencies, Screen(data.codes))


def grow_samplers(
    data: TrainingRows,
    order: Sequence[int],
    kept: Mapping[int, Sampler],
    structure: Structure,
    methods: Mapping[int, Method],
    progress: Progress = no_progress,
    trees: Mapping[int, Sampler] | None = None,
) -> dict[int, Sampler]:
    """Return the sampler of each column, grown on all CPUs; their number has no influence.

    kept: samplers to take over, by column; methods: where known, held-out rows decide the others;
    trees: of these rows, order and penalty, by column, taken over where trees are chosen.
    """
    _ = data.factors, data.context  # once, before threads grow columns

    def grow(place: int) -> Sampler:
        j, before = order[place], order[:place]
        candidates = structure.screen.candidates(j, before)
        grower = ColumnGrower(data, j, candidates, before=before, method=methods.get(j))
        return grower.grow(structure.dependencies.of(j, before), (trees or {}).get(j))

    # Later columns have more predictors: start with the longest work.
    places = [i for i, j in enumerate(order) if j not in kept][::-1]
    samplers = dict(kept)
    with ThreadPoolExecutor(threads()) as pool:
        for done, sampler in enumerate(pool.map(grow, places)):
            samplers[order[places[done]]] = sampler
            progress((done + 1) / len(places))
    return samplers
