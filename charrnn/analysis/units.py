"""What single cells watch: their activity over a text, and which readable feature each follows.

The activity of a unit is the hyperbolic tangent of its memory cell for lstm, its output for gru and
rnn: between -1 and 1, after each character.

Shape suffixes: N characters, B streams, U units of all layers (layer by layer), F features.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.analysis.features import Values, features_of
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.forward import count_streams, forward_streams
from charrnn.model.network import CharRNN

LEAST_CORRELATION = 0.5
"""Of a unit that is called found, on text it was not chosen on: a quarter of what varies."""

_FOLLOWERS = 8  # units told of a feature
_MIN_STREAM = 200  # characters
_STEPS = 32  # steps whose activities are summed at once
_FEWEST_CHARACTERS = 500
_MOST = 0.999  # of an activity, which is below 1


class Unit(NamedTuple):
    """One unit of one layer, both counted from 1; written `2:317`."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.number}"

    @classmethod
    def parse(cls, text: str, model: CharRNN) -> "Unit":
        """Return the unit written as `layer:number`; raise `ConfigError` if there is none."""
        config = model.config
        match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
        if match:
            unit = cls(int(match[1]), int(match[2]))
            if 1 <= unit.layer <= config.num_layers and 1 <= unit.number <= config.hidden_size:
                return unit
        raise ConfigError(
            f"{text!r} is no unit of this model: expected LAYER:NUMBER, a layer from 1 to "
            f"{config.num_layers} and a number from 1 to {config.hidden_size}"
        )

    @classmethod
    def at(cls, place: int, model: CharRNN) -> "Unit":
        """Return the unit at a place of (U,) values."""
        layer, number = divmod(place, model.config.hidden_size)
        return cls(layer + 1, number + 1)

    def place(self, model: CharRNN) -> int:
        """Return where the unit is in (U,) values."""
        return (self.layer - 1) * model.config.hidden_size + self.number - 1


class Follower(NamedTuple):
    """A unit that follows a feature, and how closely on text that it was not chosen on.

    `low` and `high` are the activities that belong to the feature's absence and presence, or, of a
    feature that counts, to few and many (its 5th and 95th percentiles).
    """

    unit: Unit
    correlation: float
    low: float
    high: float


@dataclass(frozen=True)
class Found:
    """The units that follow a feature most closely, the closest of the choice first.

    `chance` is the largest correlation that any unit has, where they were chosen, with the same
    feature of a different place of the text.
    """

    feature: str
    followers: tuple[Follower, ...]
    chance: float

    @property
    def unit(self) -> Unit:
        """The unit chosen."""
        return self.followers[0].unit

    @property
    def correlation(self) -> float:
        """Pearson's correlation of that unit with the feature, on held-out text."""
        return self.followers[0].correlation

    @property
    def holds(self) -> bool:
        """Whether the unit may be named after the feature."""
        return abs(self.correlation) >= max(LEAST_CORRELATION, 2 * self.chance)


def activity(model: CharRNN, codes: Codes, units: Iterable[Unit]) -> NDArray[np.float32]:
    """Return the activities (N, number of units) after each character of a text, read once."""
    places = [unit.place(model) for unit in units]
    rows = [values_1U[:, places] for _, values_1U in _activities(model, codes, num_streams=1)]
    return np.concatenate(rows) if rows else np.zeros((0, len(places)), np.float32)


def find(model: CharRNN, to_choose: Codes, to_judge: Codes) -> list[Found]:
    """Return which units follow each feature most closely, the feature that is best followed first.

    Units are chosen on one text and judged on the other, which should be held out. Features that do
    not vary in both are left out. Raises `CorpusError` for texts too short to tell.
    """
    for codes in (to_choose, to_judge):
        if len(codes) < _FEWEST_CHARACTERS:
            raise CorpusError(
                f"a text of {len(codes):,} characters is too short to tell what cells follow: at "
                f"least {_FEWEST_CHARACTERS} are needed, to choose by as to judge by"
            )
    chosen_by, judged_by = (
        features_of(model.vocabulary.decode(codes)) for codes in (to_choose, to_judge)
    )
    names = [name for name in chosen_by if name in judged_by]
    if not names:
        return []
    choosing = _correlations(model, to_choose, [chosen_by[name] for name in names], elsewhere=True)
    judging = _correlations(model, to_judge, [judged_by[name] for name in names])
    found = []
    for f, name in enumerate(names):
        closest = np.argsort(-np.abs(choosing.r_UF[:, f]), kind="stable")[:_FOLLOWERS].tolist()
        ends = _ends(judged_by[name])
        followers = [
            Follower(Unit.at(u, model), float(judging.r_UF[u, f]), *judging.expected(u, f, ends))
            for u in closest
        ]
        chance = float(np.abs(choosing.r_UF[:, len(names) + f]).max())
        found.append(Found(name, tuple(followers), chance))
    return sorted(found, key=lambda each: -abs(each.correlation))


def _ends(values_N: Values) -> tuple[float, float]:
    distinct = np.unique(values_N)
    if len(distinct) == 2:
        return float(distinct[0]), float(distinct[1])
    low, high = np.quantile(values_N, (0.05, 0.95))
    return float(low), float(high)


class _Correlations(NamedTuple):
    r_UF: NDArray[np.float64]
    slope_UF: NDArray[np.float64]
    mean_U: NDArray[np.float64]
    mean_F: NDArray[np.float64]

    def expected(self, unit: int, feature: int, values: Iterable[float]) -> tuple[float, ...]:
        """Return the activities that belong to values of a feature, on the line fitted to them."""
        mean, slope = self.mean_U[unit], self.slope_UF[unit, feature]
        fitted = [float(mean + slope * (each - self.mean_F[feature])) for each in values]
        return tuple(max(-_MOST, min(_MOST, each)) for each in fitted)


def _correlations(
    model: CharRNN, codes: Codes, features: list[Values], elsewhere: bool = False
) -> _Correlations:
    """Hold every unit against every feature; `elsewhere` adds each feature, half the text on."""
    columns_NF = np.stack(features, axis=1).astype(np.float64)
    columns_NF -= columns_NF.mean(axis=0)
    if elsewhere:
        columns_NF = np.hstack([columns_NF, np.roll(columns_NF, len(codes) // 2, axis=0)])
    units = model.config.num_layers * model.config.hidden_size
    total_U, squares_U = np.zeros(units), np.zeros(units)
    products_UF = np.zeros((units, columns_NF.shape[1]))
    for places_N, values_NU in _activities(model, codes, count_streams(len(codes), _MIN_STREAM)):
        values = values_NU.astype(np.float64)
        total_U += values.sum(axis=0)
        squares_U += (values**2).sum(axis=0)
        products_UF += values.T @ columns_NF[places_N]
    count = len(codes)
    mean_U = total_U / count
    variance_U = np.maximum(squares_U / count - mean_U**2, 0)
    variance_F = (columns_NF**2).mean(axis=0)
    covariance_UF = products_UF / count
    deviations_UF = np.sqrt(np.outer(variance_U, variance_F))
    return _Correlations(
        r_UF=np.divide(
            covariance_UF,
            deviations_UF,
            out=np.zeros_like(covariance_UF),
            where=deviations_UF > 1e-9,
        ),
        slope_UF=covariance_UF / variance_F,
        mean_U=mean_U,
        mean_F=np.stack(features, axis=1).mean(axis=0, dtype=np.float64),
    )


def _activities(
    model: CharRNN, codes: Codes, num_streams: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield positions of a text and the activities (those positions, U) there, until all are read.

    The text is read one step at a time, because the state after each character is needed.
    """
    positions, values = [], []
    for chunk in forward_streams(model, codes, num_streams, chunk_size=1):
        is_own_B = chunk.is_own_TB[0]
        if not is_own_B.any():
            continue
        activity_LBH = chunk.state.parts_LBH[-1]
        if model.config.cell == "lstm":
            activity_LBH = activity_LBH.tanh()
        positions.append(chunk.positions_TB[0, is_own_B])
        values.append(activity_LBH.transpose(0, 1).flatten(1).float().cpu().numpy()[is_own_B])
        if len(positions) == _STEPS:
            yield np.concatenate(positions), np.concatenate(values)
            positions, values = [], []
    if positions:
        yield np.concatenate(positions), np.concatenate(values)
