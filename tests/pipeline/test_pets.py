"""The second recipe: an archive laid out like the Oxford-IIIT Pet set becomes folders and a manifest."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from pipeline.core.errors import DataError
from pipeline.data import manifest, pets
from pipeline.data.settings import DataSettings
from pipeline.data.split import read_split
from pipeline.validate import stage as validate
from tests.photo_folder import PhotoFolder, animation, encoded, picture

# torch, when fastai imports it; fastai, which leaves its config.ini to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{name}")
    for name in ("DeprecationWarning", "ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
]

NAMES = {
    **{f"Abyssinian_{number}.jpg": encoded(picture(number)) for number in range(1, 10)},
    **{f"great_pyrenees_{number}.jpg": encoded(picture(100 + number)) for number in range(1, 10)},
    "Egyptian_Mau_14.jpg": animation("GIF"),  # the real one holds some of these
    "beagle_116.jpg": encoded(picture(200))[:2500],
    "Abyssinian_100.mat": b"MATLAB",
}


def archive(path: Path, folder: str = "oxford-iiit-pet/images") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in NAMES.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSettings:
    monkeypatch.chdir(tmp_path)
    return DataSettings(
        recipe="pets",
        images=Path("build/pets/images"),
        manifest=Path("build/pets/manifest.csv"),
        ood_label="other",
    )


@pytest.fixture
def fetched_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """fastai with a cache of its own; ``setattr`` says where its downloader finds the set."""
    from fastai.data import external

    monkeypatch.setenv("FASTAI_HOME", str(tmp_path / "cache"))
    external.fastai_cfg.cache_clear()
    monkeypatch.setattr(external.URLs, "PETS", archive(tmp_path / "oxford-iiit-pet.tgz").as_uri())
    return monkeypatch


def test_the_archive_as_fastai_fetches_it_becomes_labels(
    data: DataSettings, fetched_from: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pets.prepare(data)
    rows = manifest.read(data.manifest)
    assert {row.label for row in rows} == {"Abyssinian", "great_pyrenees", "Egyptian_Mau"}
    assert len(rows) == 19
    assert all((data.images / row.file).is_file() for row in rows)
    assert all("Parkhi" in row.author and row.licence.startswith("CC-BY-SA-4.0") for row in rows)
    converted = next(row for row in rows if row.label == "Egyptian_Mau")
    assert "saved again as JPEG" in converted.notes
    assert (data.images / converted.file).read_bytes()[:3] == b"\xff\xd8\xff"
    assert "left out: beagle_116.jpg (damaged)" in capsys.readouterr().out


def test_it_is_not_made_twice(data: DataSettings, fetched_from: pytest.MonkeyPatch) -> None:
    pets.prepare(data)
    before = data.manifest.stat()
    pets.prepare(data)
    assert data.manifest.stat() == before


def test_it_passes_validation(data: DataSettings, tmp_path: Path) -> None:
    archive(tmp_path / "pets.tgz")
    with tarfile.open(tmp_path / "pets.tgz") as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "oxford-iiit-pet/images/Egyptian_Mau_14.jpg").unlink()  # a label of one picture
    pets.prepare(data, tmp_path / "oxford-iiit-pet")
    PhotoFolder(tmp_path).configure()
    params = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("recipe: photos", "recipe: pets").replace("data/", "build/pets/")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    assert validate.main([]) == 0
    assert {row.label for row in read_split(Path("build/split.csv"))} == {"Abyssinian", "great_pyrenees"}


def test_no_connection_is_one_clear_error(
    data: DataSettings, fetched_from: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fastai.data import external

    fetched_from.setattr(external.URLs, "PETS", (tmp_path / "nowhere/oxford-iiit-pet.tgz").as_uri())
    with pytest.raises(
        DataError, match=r"can't be fetched from .*connect to the network.*pipeline\.pets FOLDER"
    ):
        pets.prepare(data)
    assert not data.images.exists()
    assert not data.manifest.exists()


def test_another_layout_is_refused(
    data: DataSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").symlink_to(Path(__file__).parents[2] / "conf")
    (tmp_path / "cats/images").mkdir(parents=True)
    assert pets.main([os.fspath(tmp_path / "cats")]) == 1
    assert "holds no images/breed_number.jpg; name the folder" in capsys.readouterr().err
    assert not data.images.exists()
