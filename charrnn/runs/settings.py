"""The settings of a run under the names of the flags of `charrnn train`."""

import dataclasses
from typing import Any

from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import DEFAULT_PATIENCE, Budget, TrainConfig
from charrnn.runs.run_config import RunConfig

MACHINE_SETTINGS = ("device", "precision", "threads")
_EVALUATION_SETTINGS = ("eval_every", "eval_characters")


def list_settings(config: RunConfig, budget: Budget) -> dict[str, Any]:
    """Return all settings of a run that have a value; `budget` is its current budget.

    With them, the same text gives the same run from random initial weights on the same machine.
    """
    values = vars(config.model) | vars(config.text)
    if config.corpus.is_known:  # else the settings of training are unknown
        values |= vars(config.training) | vars(budget)
    if not config.text.documents:  # then it has no effect
        del values["document_separator"]
    names = [
        field.name
        for kind in (ModelConfig, TextConfig, TrainConfig)
        for field in dataclasses.fields(kind)
    ]
    return {name: values[name] for name in names if values.get(name) is not None}


def list_settings_for_another_text(config: RunConfig, budget: Budget) -> dict[str, Any]:
    """Return the settings of a run without those of its machine and the plan of evaluations."""
    settings = list_settings(config, budget)
    for name in (*MACHINE_SETTINGS, *_EVALUATION_SETTINGS):
        settings.pop(name, None)
    default_patience = DEFAULT_PATIENCE if settings.get("val_fraction") else 0
    if settings.get("patience") == default_patience:
        del settings["patience"]  # it depends on whether the new run has a held-out text
    return settings
