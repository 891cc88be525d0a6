"""The history of champions: what a rollback goes back to, and that the file survives what may happen to it."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import DataError, StorageError
from pipeline.promote import history
from pipeline.promote.history import Action, Entry


def entry(name: str, action: Action = "promote") -> Entry:
    return Entry("2026-11-24T05:00:00+00:00", "Eva Müller", action, ord(name), f"lite0-{name}", name * 64, None, "why")


def names(entries: list[Entry]) -> str:
    return "".join(each.fingerprint[0] for each in entries)


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert history.read(tmp_path) == []
    for name in "abc":
        history.append(tmp_path, entry(name))
    assert history.read(tmp_path) == [entry(name) for name in "abc"]
    assert (tmp_path / "promotions.jsonl").read_text(encoding="utf-8").count("Eva Müller") == 3


def test_a_full_disk_leaves_the_history_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history.append(tmp_path, entry("a"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="disk is full"):
        history.append(tmp_path, entry("b"))
    assert history.read(tmp_path) == [entry("a")]
    assert [path.name for path in tmp_path.iterdir()] == ["promotions.jsonl"]


@pytest.mark.parametrize("line", ['{"when": "20', "[1, 2]", '{"when": "today"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    history.append(tmp_path, entry("a"))
    with (tmp_path / "promotions.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"promotions\.jsonl, line 2, is damaged"):
        history.read(tmp_path)


def test_rolling_back_twice_goes_two_champions_back() -> None:
    entries = [entry(name) for name in "abc"]
    assert names(history.replay(entries)[0]) == "abc"
    entries.append(entry("b", "rollback"))
    assert names(history.replay(entries)[0]) == "ab"
    entries.append(entry("a", "rollback"))
    assert names(history.replay(entries)[0]) == "a"


def test_a_model_promoted_again_has_the_one_before_it_behind_it() -> None:
    assert names(history.replay([entry(name) for name in "aba"])[0]) == "ba"


def test_a_rolled_back_model_is_told_until_it_is_champion_again() -> None:
    entries = [entry(name) for name in "abc"]
    assert history.replay(entries)[1].get("a" * 64) is None
    back = entry("a", "rollback")
    entries.append(back)
    assert history.replay(entries)[1].get("c" * 64) is back
    assert history.replay(entries)[1].get("b" * 64) is back
    assert history.replay(entries)[1].get("a" * 64) is None
    entries.append(entry("c"))
    assert history.replay(entries)[1].get("c" * 64) is None
    assert history.replay(entries)[1].get("b" * 64) is back


def test_a_model_that_was_only_replaced_was_not_rolled_back() -> None:
    assert history.replay([entry("a"), entry("b")])[1].get("a" * 64) is None


CHANGES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["promote", "rollback", "repair"])),
    min_size=1,
    max_size=12,
)


@given(CHANGES)
def test_the_last_entry_is_the_champion_and_no_model_stands_twice(changes: list[tuple[str, Action]]) -> None:
    entries = [entry(name, action) for name, action in changes]
    found = names(history.replay(entries)[0])
    assert found[-1] == changes[-1][0]
    assert len(set(found)) == len(found)


@given(CHANGES)
def test_no_model_is_both_a_champion_and_rolled_back(changes: list[tuple[str, Action]]) -> None:
    entries = [entry(name, action) for name, action in changes]
    found = names(history.replay(entries)[0])
    for name in "abcd":
        assert history.replay(entries)[1].get(name * 64) is None or name not in found


def test_who_is_gits_user_or_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Eva Müller")
    assert history.who() == "Eva Müller"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "eva")
    assert history.who() == "eva"
