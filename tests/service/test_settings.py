"""Settings are what they say, by variable or option, and unsafe ones are refused with a sentence."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import settings
from service.__main__ import main
from service.settings import Settings, SettingsError
from tests.service.running import ROOT, environment


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_option_wins_over_a_variable_and_a_variable_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.read().port == 8000
    monkeypatch.setenv("PORT", "9000")
    assert settings.read().port == 9000
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    arguments = parser.parse_args(["--port", "7000", "--cors-origins", "https://a.example, http://b"])
    values = settings.read(vars(arguments))
    assert values.port == 7000
    assert values.cors_origins == ("https://a.example", "http://b")


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "")
    monkeypatch.setenv("PORT", "")
    assert settings.read().api_key is None
    assert settings.read().port == 8000


UNSAFE: dict[str, tuple[dict[str, str], str]] = {
    "no number": ({"port": "many"}, "PORT: Input should be a valid integer"),
    "port": ({"port": "70000"}, "PORT: Input should be less than or equal to 65535"),
    "endless deadline": ({"deadline_s": "inf"}, "DEADLINE_S"),
    "no deadline": ({"deadline_s": "0"}, "DEADLINE_S: Input should be greater than 0"),
    "body": ({"body_bytes": "1000000000"}, "BODY_BYTES: Input should be less than or equal to 100000000"),
    "buffer": ({"buffer_bytes": "1000000"}, "BUFFER_BYTES must hold at least one body"),
    "any origin": ({"cors_origins": "*"}, "'*' is no origin"),
    "origin with path": (
        {"cors_origins": "https://a.example/"},
        "is no origin; name each one as https://host",
    ),
    "short key": ({"api_key": "secret"}, "16 to 200 letters"),
    "key with spaces": ({"api_key": "a b c d e f g h i j k l"}, "16 to 200 letters"),
    "address": ({"bind": "example.org"}, "BIND: 'example.org' does not appear to be an IPv4 or IPv6 address"),
    "long stop": ({"drain_s": "3", "grace_s": "3"}, "DRAIN_S and GRACE_S together must leave 0.5 s of 5 s"),
    "alias": ({"model": "models:/x"}, "MODEL models:/x must look like models:/NAME@champion"),
    "no registry": ({"model": "models:/x@champion"}, "set MLFLOW_TRACKING_URI"),
    "registry that is a file": (
        {"model": "models:/x@champion", "mlflow_tracking_uri": "file:///etc"},
        "set MLFLOW_TRACKING_URI to the http address",
    ),
    "registry with a password": (
        {"mlflow_tracking_uri": "https://me:secret@mlflow.example"},
        "MLFLOW_TRACKING_URI: it must hold no user name; set MLFLOW_TRACKING_USERNAME",
    ),
    "variant": ({"variant": "fp16"}, "VARIANT: Input should be 'fp32', 'bf16' or 'int8'"),
    "level": ({"log_level": "loud"}, "LOG_LEVEL"),
    "threads": ({"threads": "1000"}, "THREADS: Input should be less than or equal to 64"),
    "no key": ({"require_key": "true"}, "REQUIRE_KEY is set, and there is no API_KEY"),
    "host": ({"allowed_hosts": "https://a.example"}, "'https://a.example' is no host name"),
    "proxy": ({"trusted_proxies": "nginx"}, "TRUSTED_PROXIES: value is not a valid IPv4 or IPv6 network"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_values_are_refused_with_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values, why = UNSAFE[name]
    for variable, value in values.items():
        monkeypatch.setenv(variable.upper(), value)
    with pytest.raises(SettingsError, match="`python -m service --help` shows every setting"):
        settings.read()
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert why in error
    assert error.count("\n") == 1
    assert "secret" not in error


def test_a_key_can_not_be_an_option_nor_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--api-key", "0123456789abcdef"])
    monkeypatch.setenv("API_KEY", "0123456789abcdef")
    assert "0123456789abcdef" not in repr(settings.read())


def test_help_shows_every_setting_with_its_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["serve", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 0
        shown = " ".join(capsys.readouterr().out.split())
        for name, field in Settings.model_fields.items():
            assert f"[{name.upper()}; default " in shown
            assert field.description
            assert " ".join(field.description.split()) in shown
        for command in ("serve", "health", "identify"):
            assert command in shown


def test_names_of_variables_do_not_collide_with_those_of_shells_and_tools() -> None:
    taken = {
        "HOST",
        "HOSTNAME",
        "USER",
        "HOME",
        "PATH",
        "LANG",
        "SHELL",
        "TERM",
        "PWD",
        "TMPDIR",
        "PAGER",
        "EDITOR",
    }
    assert not taken & {name.upper() for name in Settings.model_fields}


def test_health_says_by_status_and_sentence_whether_it_is_ready(tmp_path: Path) -> None:
    from tests.service.running import running
    from tests.tiny_bundle import make_bundle

    def health(port: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service", "health"]
        return subprocess.run(command, cwd=ROOT, env=environment(port=port), capture_output=True, text=True, timeout=30)

    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1) as service:
        well = health(service.port)
        assert (well.returncode, well.stdout) == (0, "ready: serves tiny-00000000\n")
    gone = health(service.port)
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"error: nothing answers at 127.0.0.1 port {service.port}")


def test_the_engine_reports_to_nobody() -> None:
    """OpenVINO brings a package that can; loading a model and answering opens no connection and starts no program."""
    spy = (
        "import sys; seen = []; "
        "sys.addaudithook(lambda event, args: event in ('socket.connect', 'socket.getaddrinfo', 'subprocess.Popen') "
        "and seen.append(event)); "
        "import tempfile, pathlib; from tests.tiny_bundle import make_bundle, picture; "
        "from bundle.engine import Engine; "
        "Engine(make_bundle(pathlib.Path(tempfile.mkdtemp()))).identify(picture('red')); print(seen)"
    )
    command = [sys.executable, "-W", "ignore", "-c", spy]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["pipeline.export.int8"])
def test_the_runtime_of_the_pipeline_reports_to_nobody(module: str) -> None:
    """ONNX Runtime 1.32 sends usage to its maker, from a thread that it starts on import, unless this is set."""
    spy = (
        "import os, sys; seen = []; "
        "sys.addaudithook(lambda event, args: event == 'import' and args[0] == 'onnxruntime' "
        "and seen.append(os.environ.get('ORT_DISABLE_TELEMETRY'))); "
        f"import {module}; print(seen[0])"
    )
    fresh = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", spy],
        env=fresh,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stdout.split() == ["1"]
