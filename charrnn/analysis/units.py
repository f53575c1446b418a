"""Hidden units: their activity over a text, and the readable features that they follow.

The activity of a unit, after each character, is the hyperbolic tangent of its cell for lstm and its
output for gru and rnn. It is between -1 and 1.

Shape suffixes: N characters, B streams, U units of all layers (layer by layer), F features.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.analysis.activities import activities
from charrnn.analysis.features import Values, compute_features
from charrnn.config.counts import format_count
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.data.vocabulary import Codes
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.document_forward import forward_documents
from charrnn.model.forward import Forward, count_streams, forward_streams
from charrnn.model.network import CharRNN

MIN_CORRELATION = 0.5
"""Minimum correlation of a significant unit on the test text: a quarter of the variance."""

_MAX_CANDIDATES = 8  # units reported for each feature
_MIN_STREAM = 200  # characters
_CHUNK = 4096  # characters of all streams whose activities are computed together
_MIN_CHARACTERS = 500
_MAX_ACTIVITY = 0.999  # activities are below 1


class Unit(NamedTuple):
    """A unit of a layer, both numbered from 1. Its text form is `LAYER:NUMBER`, as in `2:317`."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.number}"

    @classmethod
    def parse(cls, text: str, model: CharRNN | None = None) -> "Unit":
        """Return the unit `LAYER:NUMBER`.

        Raises `ConfigError` if `text` has another form, or if `model` has no such unit.
        """
        match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
        unit = cls(int(match[1]), int(match[2])) if match else None
        if model is None:
            if unit is None or 0 in unit:
                raise ConfigError(
                    f"{text!r} is not a unit: expected LAYER:NUMBER, such as 2:317; both count "
                    "from 1"
                )
            return unit
        layers, units = model.config.num_layers, model.config.hidden_size
        if unit is None or not (1 <= unit.layer <= layers and 1 <= unit.number <= units):
            raise ConfigError(
                f"{text!r} is not a unit of this model: expected LAYER:NUMBER, with a layer from 1 "
                f"to {layers} and a number from 1 to {units}"
            )
        return unit

    @classmethod
    def from_index(cls, index: int, model: CharRNN) -> "Unit":
        """Return the unit with this index in (U,) values."""
        layer, number = divmod(index, model.config.hidden_size)
        return cls(layer + 1, number + 1)

    def index_in(self, model: CharRNN) -> int:
        """Return the index of the unit in (U,) values."""
        return (self.layer - 1) * model.config.hidden_size + self.number - 1


class Candidate(NamedTuple):
    """A unit that may follow a feature, and its correlation with it on the test text.

    `low` and `high` are the expected activities if the feature is absent and present. For a
    numeric feature, they belong to its 5th and 95th percentiles.
    """

    unit: Unit
    correlation: float
    low: float
    high: float


@dataclass(frozen=True)
class FeatureUnits:
    """The units that correlate most with a feature on the selection text, best unit first.

    `chance` is the largest correlation of any unit with the feature shifted by half the selection
    text, which is a correlation by chance.
    """

    feature: str
    candidates: tuple[Candidate, ...]
    chance: float

    @property
    def unit(self) -> Unit:
        """The unit with the largest correlation on the selection text."""
        return self.candidates[0].unit

    @property
    def correlation(self) -> float:
        """Pearson's correlation of `unit` with the feature on the test text."""
        return self.candidates[0].correlation

    @property
    def is_significant(self) -> bool:
        """Whether the correlation is large enough, in itself and relative to `chance`."""
        return abs(self.correlation) >= max(MIN_CORRELATION, 2 * self.chance)


def unit_activities(model: CharRNN, codes: Codes, units: Iterable[Unit]) -> NDArray[np.float32]:
    """Return the activities (N, number of units) after each character of a text."""
    indices = [unit.index_in(model) for unit in units]
    rows_NK = np.zeros((len(codes), len(indices)), np.float32)
    for positions, values_MU in _read_activities(model, codes, num_streams=1):
        rows_NK[positions] = values_MU[:, indices]
    return rows_NK


def find_units(
    model: CharRNN,
    selection_codes: Codes,
    test_codes: Codes,
    progress: ProgressCallback | None = None,
) -> list[FeatureUnits]:
    """Find the units that follow each feature; the feature with the best unit comes first.

    Units are selected on one text and tested on another, which should be held out. Features that do
    not vary in both texts are left out. Raises `CorpusError` if a text is too short.
    """
    _check_lengths(selection_codes, test_codes)
    selection_features, test_features = (
        compute_features(model.vocabulary.decode(codes)) for codes in (selection_codes, test_codes)
    )
    names = [name for name in selection_features if name in test_features]
    if not names:
        return []
    report = ProgressReporter(progress)
    selection = _correlate(
        model,
        selection_codes,
        [selection_features[name] for name in names],
        lambda done: report(
            Reading("finding units that follow a feature", done, len(selection_codes))
        ),
        with_shifted=True,
    )
    test = _correlate(
        model,
        test_codes,
        [test_features[name] for name in names],
        lambda done: report(Reading("testing these units on another text", done, len(test_codes))),
    )
    results = []
    for f, name in enumerate(names):
        order = np.argsort(-np.abs(selection.r_UF[:, f]), kind="stable")
        levels = _find_low_and_high(test_features[name])
        candidates = [
            Candidate(
                Unit.from_index(u, model),
                float(test.r_UF[u, f]),
                *test.expected_activities(u, f, levels),
            )
            for u in order[:_MAX_CANDIDATES].tolist()
        ]
        chance = float(np.abs(selection.r_UF[:, len(names) + f]).max())
        results.append(FeatureUnits(name, tuple(candidates), chance))
    return sorted(results, key=lambda result: -abs(result.correlation))


def _check_lengths(*texts: Codes) -> None:
    """Raise `CorpusError` if one of the texts is too short to find units."""
    for codes in texts:
        if len(codes) < _MIN_CHARACTERS:
            raise CorpusError(
                f"a text of {format_count(len(codes), 'character')} is too short to find units "
                f"that follow a feature: at least {_MIN_CHARACTERS} are needed to select units, "
                "and as many to test them",
                "use a longer text",
            )


def _find_low_and_high(values_N: Values) -> tuple[float, float]:
    """Return the two values of a binary feature, or the 5th and 95th percentiles."""
    distinct = np.unique(values_N)
    if len(distinct) == 2:
        return float(distinct[0]), float(distinct[1])
    low, high = np.quantile(values_N, (0.05, 0.95))
    return float(low), float(high)


class _Correlations(NamedTuple):
    """The correlations of units with features, and the linear fits of activities to features."""

    r_UF: NDArray[np.float64]
    slope_UF: NDArray[np.float64]
    mean_U: NDArray[np.float64]
    mean_F: NDArray[np.float64]

    def expected_activities(
        self, unit: int, feature: int, values: Iterable[float]
    ) -> tuple[float, ...]:
        """Return the activities that a linear fit predicts for these values of a feature."""
        mean, slope = self.mean_U[unit], self.slope_UF[unit, feature]
        fitted = [float(mean + slope * (value - self.mean_F[feature])) for value in values]
        return tuple(max(-_MAX_ACTIVITY, min(_MAX_ACTIVITY, activity)) for activity in fitted)


def _correlate(
    model: CharRNN,
    codes: Codes,
    features: list[Values],
    report: Callable[[int], None],
    with_shifted: bool = False,
) -> _Correlations:
    """Correlate all units with all features; `with_shifted` appends features shifted by half.

    `report` is called with the number of characters that are done.
    """
    columns_NF = np.stack(features, axis=1).astype(np.float64)
    columns_NF -= columns_NF.mean(axis=0)
    if with_shifted:
        columns_NF = np.hstack([columns_NF, np.roll(columns_NF, len(codes) // 2, axis=0)])
    units = model.config.num_layers * model.config.hidden_size
    total_U, squares_U = np.zeros(units), np.zeros(units)
    products_UF = np.zeros((units, columns_NF.shape[1]))
    done = 0
    report(done)
    for positions_N, values_NU in _read_activities(
        model, codes, count_streams(len(codes), _MIN_STREAM)
    ):
        values = values_NU.astype(np.float64)
        total_U += values.sum(axis=0)
        squares_U += (values**2).sum(axis=0)
        products_UF += values.T @ columns_NF[positions_N]
        done += len(positions_N)
        report(done)
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


def _read_activities(
    model: CharRNN, codes: Codes, num_streams: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield positions of a text and the activities (positions, U) after these characters."""
    forward = functools.partial(activities, model)
    if model.separator_code is not None:
        yield from _read_document_activities(model, codes, forward)
        return
    chunk_size = max(1, _CHUNK // num_streams)
    for chunk in forward_streams(model, codes, num_streams, chunk_size, forward):
        if chunk.is_own_TB.any():
            values_TBU = chunk.logits_TBV.cpu().numpy()
            yield chunk.positions_TB[chunk.is_own_TB], values_TBU[chunk.is_own_TB]


def _read_document_activities(
    model: CharRNN, codes: Codes, forward: Forward
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the same for documents; a separator that no document follows has the activity 0."""
    is_read_N = np.zeros(len(codes), np.bool_)
    for chunk in forward_documents(model, codes, _CHUNK, forward):
        positions_TB = chunk.positions_TB - 1  # of the characters that were read
        is_read_TB = chunk.is_target_TB & (positions_TB >= 0)
        positions = positions_TB[is_read_TB]
        is_read_N[positions] = True
        yield positions, chunk.logits_TBV.cpu().numpy()[is_read_TB]
    units = model.config.num_layers * model.config.hidden_size
    others = np.flatnonzero(~is_read_N)
    yield others, np.zeros((len(others), units), np.float32)
