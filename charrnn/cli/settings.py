"""Settings of `charrnn train` from a file, or from a run. Flags take precedence."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from charrnn.config.training import Budget, TrainConfig
from charrnn.errors import ConfigError

_LIMITS = frozenset(field.name for field in dataclasses.fields(Budget))
_NO_SETTINGS = ("help", "config", "like", "dry_run", "as_json", "quiet")


def use_settings_file(context: typer.Context, path: Path | None) -> Path | None:
    """Use the settings in a file as the defaults of the flags; raise `ConfigError`.

    The file is TOML, or JSON if its name ends in .json. The output of `charrnn info --json` has the
    settings under the key `settings`.
    """
    if path is not None:
        settings = _read(path)
        if isinstance(settings.get("settings"), dict):
            settings = settings["settings"]
        names = _flag_names(context)
        defaults: dict[str, Any] = {}
        for name, value in settings.items():
            parameter = names[_find(name, names, path)]
            if parameter in defaults:
                raise ConfigError(f"{path} has two values for {name}", "remove one of them")
            defaults[parameter] = value
        for name, value in defaults.items():
            if not isinstance(value, (str, int, float)):
                raise ConfigError(
                    f"{path}: {name} must be a text, a number, true or false, not "
                    f"{json.dumps(value, default=str)[:40]}"
                )
        context.default_map = _combine(_to_arguments(defaults), context.default_map or {})
    return path


def use_settings_of_run(context: typer.Context, name: str | None) -> str | None:
    """Use the settings of a run as the defaults of the flags; raise `CheckpointError`."""
    if name is not None:
        from charrnn.runs.find import find_run
        from charrnn.runs.progress import Progress
        from charrnn.runs.settings import list_settings_for_another_text

        run = find_run(name)
        progress = Progress.from_checkpoint(run.select("last"))
        config = progress.current_config(run.config)
        settings = list_settings_for_another_text(config, progress.budget)
        context.default_map = _combine(context.default_map or {}, _to_arguments(settings))
    return name


def _combine(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of both; the `first` ones take precedence, as do their limits."""
    has_limit = not _LIMITS.isdisjoint(first)
    kept = {name: second[name] for name in second if not (has_limit and name in _LIMITS)}
    return {**kept, **first}


def drop_replaced_limits(context: typer.Context, training: TrainConfig) -> TrainConfig:
    """Return the settings without limits of a file or a run, if a flag sets a limit."""
    is_default = {name: is_from_file_or_run(context, name) for name in _LIMITS}
    if not any(getattr(training, name) and not is_default[name] for name in _LIMITS):
        return training
    dropped: dict[str, Any] = {name: None for name in _LIMITS if is_default[name]}
    return dataclasses.replace(training, **dropped)


def is_from_file_or_run(context: typer.Context, name: str) -> bool:
    """Return whether a parameter has its value from --config or --like."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        parsed = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"{path} is not valid {kind}: {error}") from None
    if not isinstance(parsed, dict):
        raise ConfigError(f"{path} must contain one JSON object with the settings")
    return parsed


def _flag_names(context: typer.Context) -> dict[str, str]:
    """Return the name of the parameter of each long flag, such as `max-time`."""
    return {
        flag.removeprefix("--"): option.name
        for option in context.command.params
        for flag in option.opts
        if flag.startswith("--") and option.name and option.name not in _NO_SETTINGS
    }


def _find(name: str, names: Mapping[str, str], path: Path) -> str:
    """Return the flag that a name in a file means; raise `ConfigError` if there is none."""
    flag = name.replace("_", "-")
    if flag not in names:
        similar = difflib.get_close_matches(flag, names, n=1)
        hint = f" (did you mean {similar[0]}?)" if similar else ""
        raise ConfigError(
            f"{path}: there is no setting {name}{hint}",
            "use the names of the flags that `charrnn train --help` lists",
        )
    return flag


def _to_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are typed, so that they are checked like those of flags."""
    return {
        name: value if isinstance(value, bool) else str(value) for name, value in settings.items()
    }
