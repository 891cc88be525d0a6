"""Settings: composed from conf/, checked against what a stage accepts, never stale without a word."""

from pathlib import Path

import pytest
import yaml
from pydantic import Field

from pipeline.core import config
from pipeline.core.config import Settings, compose, load, parse
from pipeline.core.errors import ConfigError
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitSettings
from pipeline.evaluate.stage import EvaluateSettings
from pipeline.export.stage import ExportSettings
from pipeline.models.settings import ModelSettings
from pipeline.promote.policy import PromoteSettings
from pipeline.tracking.store import Settings as TrackingSettings
from pipeline.train.settings import AugmentSettings, TrainSettings
from pipeline.validate.checks import ValidateSettings
from scripts.gif.stage.gifs import StageSettings

CONF = Path(__file__).parents[2] / "conf"
ACCEPTED: dict[str, type[Settings]] = {
    "data": DataSettings,
    "validate": ValidateSettings,
    "split": SplitSettings,
    "model": ModelSettings,
    "augment": AugmentSettings,
    "train": TrainSettings,
    "export": ExportSettings,
    "evaluate": EvaluateSettings,
    "promote": PromoteSettings,
    "tracking": TrackingSettings,
    "gif": StageSettings,
}


class Oven(Settings):
    """Settings of a stage that bakes."""

    degrees: int = Field(ge=0, le=300)
    fan: bool


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small conf/, and no experiment going on."""
    (tmp_path / "conf" / "oven").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text("defaults:\n  - oven: bread\n  - _self_\n", encoding="utf-8")
    (tmp_path / "conf" / "oven" / "bread.yaml").write_text("degrees: 240\nfan: false\n", encoding="utf-8")
    (tmp_path / "conf" / "oven" / "cake.yaml").write_text("degrees: 180\nfan: true\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in config.IN_EXPERIMENT:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("option", sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml")))
def test_every_choice_in_conf_is_accepted_by_its_stage(option: str) -> None:
    section = option.partition("=")[0]
    parse(section, compose([option], CONF)[section], ACCEPTED[section])


def test_composition_takes_groups_and_values() -> None:
    composed = compose(["train=smoke", "train.epochs=4"], CONF)
    assert composed["train"]["epochs"] == 4
    assert composed["train"]["recipe"] == "finetune"
    assert composed["train"]["epoch_pictures"] == 1


def test_unknown_setting_and_value_out_of_range_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("oven", {"degrees": 900, "fan": True, "degres": 240}, Oven)
    said = str(caught.value)
    assert "oven.degrees: Input should be less than or equal to 300 (it is 900)" in said
    assert "oven.degres: Extra inputs are not permitted" in said
    assert said.endswith("Edit conf/oven/ and run `dvc repro`.")


def test_missing_section_names_what_is_missing(bakery: Path) -> None:
    (bakery / "params.yaml").write_text("other: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"oven\.degrees: Field required"):
        load("oven", Oven)


@pytest.mark.parametrize("text", [None, "a: [1", "- a list\n"])
def test_unusable_params_say_how_to_make_them_anew(bakery: Path, text: str | None) -> None:
    if text is not None:
        (bakery / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"(?s)params\.yaml .*dvc repro"):
        load("oven", Oven)


@pytest.mark.parametrize("text", ["defaults:\n  - oven: pizza\n", "a: ${nothing.there}\n", "a: [1"])
def test_broken_conf_is_one_error_that_names_it(bakery: Path, text: str) -> None:
    (bakery / "conf" / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="conf/ can't be composed"):
        compose()


def test_params_are_what_conf_composes_until_either_is_edited(bakery: Path) -> None:
    assert config.main([]) == 0
    assert load("oven", Oven) == Oven(degrees=240, fan=False)
    assert config.main(["check"]) == 0
    (bakery / "conf" / "oven" / "bread.yaml").write_text("degrees: 250\nfan: false\n", encoding="utf-8")
    assert config.main(["check"]) == 1


def test_experiments_settings_are_left_and_afterwards_named(
    bakery: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_dump(compose(["oven=cake"]))
    (bakery / "params.yaml").write_text(params, encoding="utf-8")
    with monkeypatch.context() as experiment:
        experiment.setenv("DVC_EXP_NAME", "tried")
        assert config.main([]) == 0
    assert (bakery / "params.yaml").read_text(encoding="utf-8") == params
    assert config.main(["check"]) == 1
    assert "(oven.degrees, oven.fan): an applied experiment" in capsys.readouterr().err
    assert config.main([]) == 0
    assert load("oven", Oven).degrees == 240
