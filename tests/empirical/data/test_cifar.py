"""Archives in the layout of CIFAR, served from a file."""

import hashlib
import io
import tarfile

import numpy as np
import pytest

from empirical.data import cifar, sources
from empirical.data.cifar import ARCHIVES, Archive


def records(seed, label_bytes, n=20):
    """Random records of label bytes below 10 and 3072 pixels, (n, label_bytes + 3072)."""
    generator = np.random.default_rng(seed)
    content = generator.integers(256, size=(n, label_bytes + 3072), dtype=np.uint8)
    content[:, :label_bytes] = generator.integers(10, size=(n, label_bytes))
    return content


def serve(folder, archive, files):
    """Write an archive of files and describe it as one that can be downloaded from there."""
    path = folder / archive.url.rpartition("/")[2]
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = content.nbytes
            tar.addfile(member, io.BytesIO(content.tobytes()))
    return Archive(
        url=path.as_uri(),
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
        train=archive.train,
        test=archive.test,
        label_bytes=archive.label_bytes,
        n_classes=archive.n_classes,
    )


@pytest.fixture(params=["cifar10", "cifar100"])
def served(request, tmp_path, monkeypatch):
    """An archive that can be downloaded, its files, and the folder that downloads go to."""
    monkeypatch.setenv("SAWTOOTH_DATA", str(tmp_path / "new" / "data"))
    known = ARCHIVES[request.param]
    names = sorted({*known.train, *known.test}, reverse=True)  # archives are not in order
    files = {name: records(i, known.label_bytes) for i, name in enumerate(names)}
    archive = serve(tmp_path / "server", known, {"readme.html": np.zeros(9)} | files)
    return archive, files, tmp_path / "new" / "data"


def test_images_and_labels_are_those_of_the_records(served):
    archive, files, folder = served
    images = cifar.load(archive)
    train = np.concatenate([files[name] for name in archive.train])
    test = files[archive.test[0]]
    last = archive.label_bytes
    np.testing.assert_array_equal(images.train_labels, train[:, last - 1])
    np.testing.assert_array_equal(images.test_labels, test[:, last - 1])
    np.testing.assert_array_equal(images.train_images.flatten(1), train[:, last:])
    assert images.image_shape == (3, 32, 32)
    red_of_row_1 = test[0, last + 32 : last + 64]
    np.testing.assert_array_equal(images.test_images[0, 0, 1], red_of_row_1)
    assert images.n_classes == archive.n_classes
    assert len(list(folder.iterdir())) == 1


def test_an_archive_is_downloaded_once(served, tmp_path):
    archive, _, _ = served
    first = cifar.load(archive)
    (tmp_path / "server" / archive.url.rpartition("/")[2]).unlink()
    np.testing.assert_array_equal(cifar.load(archive).train_images, first.train_images)


def test_sources_by_name_read_their_archives(served, monkeypatch):
    archive, _, _ = served
    name = "cifar10" if archive.n_classes == 10 else "cifar100"
    monkeypatch.setitem(ARCHIVES, name, archive)
    assert sources.load(name).n_classes == archive.n_classes


def test_an_unreachable_archive_is_one_sentence_and_nothing_is_left(served, tmp_path):
    archive, _, folder = served
    (tmp_path / "server" / archive.url.rpartition("/")[2]).unlink()
    with pytest.raises(OSError, match=r"^could not download file://.*: .*No such file") as caught:
        cifar.load(archive)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_an_incomplete_download_is_refused_and_nothing_is_left(served, tmp_path):
    archive, _, folder = served
    path = tmp_path / "server" / archive.url.rpartition("/")[2]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(OSError, match=f"what came has md5 .*, not {archive.md5}"):
        cifar.load(archive)
    assert list(folder.iterdir()) == []


def test_a_damaged_archive_is_named_and_stays(served):
    archive, _, folder = served
    cifar.load(archive)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match="is damaged or incomplete") as caught:
        cifar.load(archive)
    assert str(caught.value).startswith(str(path))
    assert path.exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(served, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAWTOOTH_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(OSError, match="could not download"):
        cifar.load(served[0])


def test_an_archive_without_its_files_is_refused(served, tmp_path):
    archive = serve(tmp_path / "server", served[0], {"other.bin": np.zeros(3)})
    with pytest.raises(ValueError, match=f"does not hold .*{archive.test[0]}"):
        cifar.load(archive)


def test_downloads_go_to_the_current_directory_unless_told(monkeypatch):
    monkeypatch.delenv("SAWTOOTH_DATA", raising=False)
    assert str(cifar.data_folder()) == "data"
