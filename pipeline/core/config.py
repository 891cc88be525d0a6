"""The settings of the pipeline: conf/ composed by Hydra into params.yaml, which every stage reads.

As a program (the DVC stage ``configure``) it composes conf/ and writes params.yaml. Inside an experiment DVC has
composed params.yaml itself, with the experiment's ``-S`` overrides, and it is left as it is. ``check`` fails where
params.yaml is not what conf/ composes, which is the state that an applied experiment leaves behind.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core import files
from pipeline.core.errors import ConfigError, run_stage

CONF = Path("conf")
PARAMS = Path("params.yaml")
IN_EXPERIMENT = ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")  # set by `dvc exp run` for the stages that it runs

M = TypeVar("M", bound="Settings")


class Settings(BaseModel):
    """Base of each stage's settings: immutable, and a key that nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def compose(overrides: Sequence[str] = (), conf: Path = CONF) -> dict[str, Any]:
    """Compose ``conf/config.yaml`` and its groups, with Hydra ``overrides``, into plain values.

    Raises:
        ConfigError: a file, a group or an interpolation in conf/ is missing or malformed.
    """
    # Here, as every process of a stage imports this module and only `configure` composes.
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            composed = OmegaConf.to_container(hydra_compose("config", list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{conf}/ can't be composed: {error}") from error
    assert isinstance(composed, dict)
    return {str(key): value for key, value in composed.items()}


def load(section: str, model: type[M], path: Path = PARAMS) -> M:
    """Read one section of params.yaml as ``model``.

    Raises:
        ConfigError: the file or section is missing, or a value is unknown or out of range; every such value is named.
    """
    return parse(section, _read(path).get(section), model)


def parse(section: str, values: Any, model: type[M]) -> M:
    """Turn the plain ``values`` of a section into ``model``; see `load`."""
    try:
        return model.model_validate(values if values is not None else {})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, (section, *item['loc'])))}: {item['msg']} (it is {item['input']!r})"
            for item in error.errors()
        )
        raise ConfigError(f"{wrong}. Edit {CONF}/{section}/ and run `dvc repro`.") from error


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested ``values`` under dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if value and isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def in_experiment() -> bool:
    """Whether `dvc exp run` runs this stage."""
    return any(name in os.environ for name in IN_EXPERIMENT)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read ({error}); `dvc repro -f configure` makes it from {CONF}/") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings; `dvc repro -f configure` makes it from {CONF}/")
    return values


def configure() -> None:
    """Write params.yaml from conf/, unless an experiment has written it."""
    if in_experiment():
        print(f"experiment: {PARAMS} as composed by DVC")
        return
    # Keys sorted as DVC's own composition sorts nothing: the order of conf/ is kept by both.
    files.write_text(PARAMS, yaml.safe_dump(compose(), sort_keys=False, allow_unicode=True))
    print(f"{CONF}/ -> {PARAMS}")


def check() -> None:
    """Fail where params.yaml is not what conf/ composes.

    Raises:
        ConfigError: names the settings that differ.
    """
    kept, composed = flat(_read(PARAMS)), flat(compose())
    if differing := sorted(name for name in kept | composed if kept.get(name, ...) != composed.get(name, ...)):
        raise ConfigError(
            f"{PARAMS} is not what {CONF}/ composes ({', '.join(differing)}): an applied experiment, or an edit "
            f"by hand. Write the settings that you want to keep into {CONF}/, then run `dvc repro -f configure` "
            "and `dvc repro`."
        )
    print(f"{PARAMS} is what {CONF}/ composes")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``configure`` (the default) or ``check``."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.core.config", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("configure", "check"), default="configure")
    return run_stage(check if parser.parse_args(argv).what == "check" else configure)


if __name__ == "__main__":
    sys.exit(main())
