"""Partial pooling of the shares of an answer over the cells of a segmentation.

The logit of a cell's share is mu + a[level of A] + b[level of B] + g[cell], where a, b and g are
normal around 0: a small cell leans on the other cells of its levels, a large one on its own
respondents (Fay & Herriot, 1979; multilevel regression of Gelman & Little, 1997). How far levels
and cells differ is not chosen but integrated over a grid of standard deviations (Rue, Martino &
Chopin, 2009, section 3), so that the interval contains that uncertainty too. The binomial
likelihood is approximated by a normal one around the current logits, as in iteratively reweighted
least squares. One round of scales gives levels and cells Student tails, for outliers among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_intake.survey_weights import Floats

Indices = npt.NDArray[np.intp]
LEVEL_SPREADS = np.array([0.3, 0.6, 1.2, 2.4])
CELL_SPREADS = np.array([0.15, 0.25, 0.45, 0.9])
"""Standard deviations on the logit scale. Smaller ones undercover: 0.73 to 0.88 with 0.03."""
OVERALL_VARIANCE = 9.0
FREEDOM = 2.0
"""Degrees of freedom of the Student tails."""
STEPS = 5
MAX_STEP = 1.5
"""Largest change of a logit in a step; without it, shares of 0 and 1 diverge."""
MAX_LOGIT = 7.0
MAX_RESIDUAL = 8.0
RARE = 2e-3
NEGLIGIBLE = 2e-3
"""Spreads with less posterior probability are left out."""
CAUTION = 0.8
"""Quantile of the posterior of the spreads at which a verdict is judged."""
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
NODE_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class PooledShares:
    """Posterior of the share of an answer in each cell, all float64 [cells].

    Attributes:
        share: posterior mean, 0..1.
        cautious: posterior standard deviation of the share with spreads as large as the data allow.
        logit, logit_deviation: mean and standard deviation of the logit.
    """

    share: Floats
    cautious: Floats
    logit: Floats
    logit_deviation: Floats

    def interval(self, z: float | Floats) -> tuple[Floats, Floats]:
        """Return the ends of the interval of z standard deviations, symmetric in the logit."""
        reach = z * self.logit_deviation
        return _expit(self.logit - reach), _expit(self.logit + reach)


@dataclass(frozen=True)
class _Posterior:
    """Posterior of the logits under each spread that is left, by probability.

    Attributes:
        spreads: int [g], positions in the grid.
        probability: float64 [g].
        mean, variance: of the logits, float64 [g, cells].
        pull: inverse covariance times residual, float64 [g, seen].
        precision: inverse covariance of the working responses, float64 [g, seen, seen].
    """

    spreads: Indices
    probability: Floats
    mean: Floats
    variance: Floats
    pull: Floats
    precision: Floats


class _Prior:
    """Covariance of the logits of the cells for each spread of the grid."""

    def __init__(self, groups: Sequence[Indices], cells: int) -> None:
        self.parts = list(groups)
        grids = [LEVEL_SPREADS] * len(groups)
        if len(groups) > 1:  # a level of one question is its own cell
            self.parts.append(np.arange(cells))
            grids.append(CELL_SPREADS)
        mesh = np.meshgrid(*grids, indexing="ij")
        self.spreads: Floats = np.stack([axis.ravel() for axis in mesh], axis=1)
        self.scales = [np.ones(int(part.max()) + 1) for part in self.parts]

    def covariances(self) -> Floats:
        """Return the covariance of all cells under each spread, float64 [g, cells, cells]."""
        cells = self.parts[0].size
        found = np.full((len(self.spreads), cells, cells), OVERALL_VARIANCE)
        for at, (part, scale) in enumerate(zip(self.parts, self.scales, strict=True)):
            shared = np.equal.outer(part, part) * scale[part]
            found += self.spreads[:, at, None, None] ** 2 * shared
        return found

    def adapt(self, posterior: _Posterior, seen: Indices) -> None:
        """Set the scale of each level and cell from its posterior second moment (Student)."""
        for at, part in enumerate(self.parts):
            member = np.zeros((self.scales[at].size, seen.size))
            member[part[seen], np.arange(seen.size)] = 1.0
            variance = self.spreads[posterior.spreads, at, None] ** 2
            effect = variance * (posterior.pull @ member.T)
            known = np.einsum("lj,gji,li->gl", member, posterior.precision, member)
            second = effect**2 + np.maximum(variance - variance**2 * known, 0.0)
            scale = (FREEDOM + second / variance) / (FREEDOM + 1.0)
            self.scales[at] = posterior.probability @ scale


def pool_shares(successes: Floats, respondents: Floats, groups: Sequence[Indices]) -> PooledShares:
    """Return the pooled share of an answer in each cell.

    successes, respondents: effective ones of each cell, float64 [cells], 0 for an empty cell;
    groups: of each question of the segmentation (one or two), the level of each cell.
    """
    overall = (successes.sum() + 0.5) / (respondents.sum() + 1.0)
    center = float(_logit(overall))
    seen = np.flatnonzero(respondents > 0)
    logits = _logit((successes + 2.0 * overall) / (respondents + 2.0))
    prior = _Prior(groups, successes.size)
    for step in range(STEPS):
        share = np.clip(_expit(logits), RARE, 1.0 - RARE)[seen]
        weight = respondents[seen] * share * (1.0 - share)
        working = logits[seen] + (successes[seen] - respondents[seen] * share) / weight
        residual = np.clip(working, -MAX_RESIDUAL, MAX_RESIDUAL) - center
        posterior = _solve(prior.covariances(), weight, residual, seen, center)
        mean = posterior.probability @ posterior.mean
        change = np.clip(mean - logits, -MAX_STEP, MAX_STEP)
        logits = np.clip(logits + change, -MAX_LOGIT, MAX_LOGIT)
        if step == STEPS - 2:
            prior.adapt(posterior, seen)
    total = posterior.variance + (posterior.mean - mean) ** 2
    deviation = np.sqrt(np.maximum(posterior.probability @ total, 1e-9))
    cautious = np.sqrt(np.maximum(_upper(total, posterior.probability), deviation**2))
    share, _ = moments(mean, deviation)
    return PooledShares(share, moments(mean, cautious)[1], mean, deviation)


def _solve(
    covariances: Floats, weight: Floats, residual: Floats, seen: Indices, center: float
) -> _Posterior:
    """Return the posterior given working responses of precision `weight` in the cells seen."""
    noisy = covariances[:, seen[:, None], seen] + np.diag(1.0 / weight)
    precision = np.linalg.inv(noisy).astype(np.float64, copy=False)
    pull = precision @ residual
    _, determinant = np.linalg.slogdet(noisy)
    likelihood: Floats = -0.5 * (pull @ residual + determinant)
    probability = np.exp(likelihood - likelihood.max())
    probability /= probability.sum()
    kept = np.flatnonzero(probability > NEGLIGIBLE)
    probability = probability[kept] / probability[kept].sum()
    across = covariances[kept][:, :, seen]
    precision = precision[kept]
    pull = pull[kept]
    mean = center + np.einsum("gij,gj->gi", across, pull)
    own = np.diagonal(covariances[kept], axis1=1, axis2=2)
    variance: Floats = own - np.einsum("gij,gij->gi", across @ precision, across)
    return _Posterior(kept, probability, mean, variance, pull, precision)


def _upper(values: Floats, probability: Floats) -> Floats:
    """Return the CAUTION quantile over the spreads of values float64 [g, cells]."""
    order = np.argsort(values, axis=0)
    reached = np.cumsum(probability[order], axis=0) >= CAUTION - 1e-9
    at = np.argmax(reached, axis=0)
    return np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]


def moments(logit: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the share whose logit is normal."""
    shares = _expit(logit[:, None] + deviation[:, None] * NODES)
    mean = shares @ NODE_WEIGHTS
    return mean, np.sqrt((shares - mean[:, None]) ** 2 @ NODE_WEIGHTS)


def _expit(logit: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logit))


def _logit(share: Floats | float) -> Floats:
    return np.asarray(np.log(share / (1.0 - np.asarray(share))))
