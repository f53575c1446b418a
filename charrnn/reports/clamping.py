"""What `neurons --force` tells: texts written while units are held, and what differs."""

import dataclasses
from typing import Any

from charrnn.analysis.clamping import Effect, effect, forced
from charrnn.analysis.features import MEANINGS, features_of
from charrnn.analysis.units import Follower, Found, Unit
from charrnn.config.sampling import SampleConfig
from charrnn.console.output import stdout_console
from charrnn.console.samples import print_samples
from charrnn.console.tables import print_facts, print_table
from charrnn.errors import ConfigError
from charrnn.reports.units import UnitStudy, found
from charrnn.sampling.loop import Piece, generate

_TEXTS = 8  # written free and forced, to count features in
_EFFECT = 4_096  # characters along which forecasts are compared
_FULL = 0.99  # the activity of a unit that is on


@dataclasses.dataclass(frozen=True)
class Forced:
    """Texts written freely and with units held, and what differs."""

    held: dict[Unit, float]
    effect: Effect
    shares: dict[str, tuple[float, float]]
    """Of each feature: its mean in the texts written freely, and in the others."""
    texts: tuple[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return it for other programs."""
        return {
            "held": {str(unit): value for unit, value in self.held.items()},
            "divergence_nats": self.effect.divergence,
            "probabilities": [
                {"character": character, "free": before, "forced": after}
                for character, before, after in self.effect.changes
            ],
            "features": {
                name: {"free": free, "forced": held} for name, (free, held) in self.shares.items()
            },
            "texts": {"free": self.texts[0], "forced": self.texts[1]},
        }


def forced_texts(
    study: UnitStudy, wishes: list[str], followers: int, length: int, temperature: float, seed: int
) -> Forced:
    """Write freely and with units held, from the same seed, and tell what differs."""
    held = _held(study, wishes, followers)
    changed = forced(study.model, held)
    config = SampleConfig(length=length, temperature=temperature, seed=seed, num_samples=_TEXTS)
    free_texts, held_texts = (generate(each, config=config) for each in (study.model, changed))
    free, other = _means(free_texts), _means(held_texts)
    return Forced(
        held=held,
        effect=effect(study.model, changed, study.to_judge[:_EFFECT]),
        shares={
            name: (free.get(name, 0.0), other.get(name, 0.0))
            for name in MEANINGS
            if name in free or name in other
        },
        texts=(free_texts[0], held_texts[0]),
    )


def print_forced(result: Forced) -> None:
    """Print what differs, and the first of the texts of either kind."""
    holding = ", ".join(f"{unit} at {value:+.2f}" for unit, value in result.held.items())
    changes = "; ".join(
        f"{character!r} {before:.1%} to {after:.1%}"
        for character, before, after in result.effect.changes
    )
    print_facts(
        [
            ("held", holding),
            ("forecasts", f"{result.effect.divergence:.4f} nats per character away, on average"),
            ("probability", changes),
        ]
    )
    print_table(
        f"features of {_TEXTS} texts written either way, on average",
        ("feature", "", "free", "held"),
        [
            (name, MEANINGS[name], f"{free:.3f}", f"{held:.3f}")
            for name, (free, held) in result.shares.items()
        ],
    )
    stdout_console().print()
    print_samples(
        [
            (label, [Piece(0, text)])
            for label, text in zip(("free", "held"), result.texts, strict=True)
        ],
        "",
        1,
    )


def _held(study: UnitStudy, wishes: list[str], followers: int) -> dict[Unit, float]:
    held: dict[Unit, float] = {}
    by_name: dict[str, Found] | None = None
    for wish in wishes:
        what, equals, how = wish.rpartition("=")
        if not equals:
            raise ConfigError(
                f"{wish!r} does not say how to hold it: expected WHAT=HOW, such as 'quote=on' or "
                "2:317=-0.5"
            )
        if what in MEANINGS:
            if by_name is None:
                by_name = {each.feature: each for each in found(study)}
            if what not in by_name:
                raise ConfigError(f"the feature {what!r} does not vary in {study.name}")
            for each in by_name[what].followers[:followers]:
                held[each.unit] = _activity_of(how, each)
        elif ":" in what:
            held[Unit.parse(what, study.model)] = _activity_of(how, None)
        else:
            raise ConfigError(
                f"{what!r} is neither a unit nor a feature: expected LAYER:NUMBER or one of "
                f"{', '.join(MEANINGS)}"
            )
    return held


def _activity_of(how: str, follower: Follower | None) -> float:
    if how in ("on", "off"):
        if follower is None:
            return _FULL if how == "on" else -_FULL
        return follower.high if how == "on" else follower.low
    try:
        value = float(how)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise ConfigError(f"{how!r} is no activity: expected on, off or a number from -1 to 1")
    return value


def _means(texts: list[str]) -> dict[str, float]:
    values = features_of("\n\n".join(texts))
    return {name: float(each.mean()) for name, each in values.items()}
