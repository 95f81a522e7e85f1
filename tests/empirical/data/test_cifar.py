"""Small archives in torchvision's layout, on the disk or from a server of our own."""

import functools
import hashlib
import http.server
import io
import pickle
import socket
import tarfile
import threading
from urllib.error import HTTPError

import numpy as np
import pytest
import torch
from torchvision import datasets

from empirical.data import cifar, sources

# what tarfile of Python 3.12 and 3.13 says to torchvision
pytestmark = pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
CLASSES = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


def old_pickle(pixels, labels, key):
    """Bytes of a batch as Python 2 pickled them, which is how CIFAR is published.

    Args:
        pixels: (n, 3072), uint8.
        labels: (n,), below 256.
        key: what the labels are called.
    """

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def integer(value):
        return b"J" + value.to_bytes(4, "little", signed=True)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + 2 * integer(-1) + b"K\x00tb"
    content = b"T" + pixels.nbytes.to_bytes(4, "little") + pixels.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    array += b"\x87R(K\x01" + integer(len(pixels)) + integer(3072) + b"\x86" + dtype + b"\x89"
    array += content + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(key.encode()) + listed + b"u."


def md5(content):
    return hashlib.md5(content).hexdigest()


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def url(tmp_path, monkeypatch):
    """Address of a server of the folder ``server``."""
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "server").mkdir()
    handler = functools.partial(Server, directory=tmp_path / "server")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Published:
    """A data set of random images that a server offers, and the folder that downloads go to."""

    def __init__(self, name, url, path, monkeypatch):
        self.name, self.kind = name, CLASSES[name]
        self.folder, self.served = path / "new" / "data", path / "server" / self.kind.filename
        monkeypatch.setenv("SAWTOOTH_DATA", str(self.folder))
        self.pixels, self.labels, files = [], [], {}
        rng = np.random.default_rng(0)
        for file, _ in self.kind.train_list + self.kind.test_list:
            pixels = rng.integers(256, size=(20, 3072), dtype=np.uint8)
            labels = rng.integers(10, size=20)
            self.pixels.append(pixels)
            self.labels.append(labels)
            key = "labels" if name == "cifar10" else "fine_labels"
            files[file] = old_pickle(pixels, labels, key)
        meta = self.kind.meta
        names = [f"class {i}" for i in range(10 if name == "cifar10" else 100)]
        files[meta["filename"]] = pickle.dumps({meta["key"]: names})
        with tarfile.open(self.served, "w:gz") as tar:
            for file, content in files.items():
                member = tarfile.TarInfo(f"{self.kind.base_folder}/{file}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        for part in ("train_list", "test_list"):
            sums = [[file, md5(files[file])] for file, _ in getattr(self.kind, part)]
            monkeypatch.setattr(self.kind, part, sums)
        monkeypatch.setattr(self.kind, "meta", meta | {"md5": md5(files[meta["filename"]])})
        monkeypatch.setattr(self.kind, "tgz_md5", md5(self.served.read_bytes()))
        monkeypatch.setattr(self.kind, "url", f"{url}/{self.kind.filename}")

    def load(self):
        return sources.load(self.name)

    def check(self, images):
        """Assert that these are all images and labels, in order."""
        pixels, labels = np.concatenate(self.pixels[:-1]), np.concatenate(self.labels[:-1])
        np.testing.assert_array_equal(images.train_images.flatten(1), pixels)
        np.testing.assert_array_equal(images.train_labels, labels)
        np.testing.assert_array_equal(images.test_images.flatten(1), self.pixels[-1])
        np.testing.assert_array_equal(images.test_labels, self.labels[-1])

    def refusal(self, error):
        with pytest.raises(error) as caught:
            self.load()
        if isinstance(caught.value.__cause__, HTTPError):
            caught.value.__cause__.close()  # the answer, which it holds open
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture(params=["cifar10", "cifar100"])
def published(request, url, tmp_path, monkeypatch):
    return Published(request.param, url, tmp_path, monkeypatch)


def test_images_and_labels_are_those_published(published):
    images = published.load()
    published.check(images)
    assert images.train_images.dtype == images.test_images.dtype == torch.uint8
    assert images.train_labels.dtype == images.test_labels.dtype == torch.int64
    assert images.image_shape == (3, 32, 32)
    assert images.train_images.is_contiguous()
    red_of_row_1 = published.pixels[-1][0, 32:64]
    np.testing.assert_array_equal(images.test_images[0, 0, 1], red_of_row_1)
    assert images.n_classes == {"cifar10": 10, "cifar100": 100}[published.name]
    assert [path.name for path in published.folder.iterdir()] == [published.kind.base_folder]


def test_a_data_set_is_downloaded_once(published):
    published.load()
    published.served.unlink()
    published.check(published.load())


def test_files_that_torchvision_left_are_used(published):
    published.folder.mkdir(parents=True)
    published.kind(published.folder, download=True)
    published.served.unlink()
    published.check(published.load())


def test_an_archive_that_is_there_is_unpacked_and_older_layouts_are_ignored(published):
    published.folder.mkdir(parents=True)
    (published.folder / "cifar-10-binary.tar.gz").write_bytes(b"of another version")
    published.served.rename(published.folder / published.kind.filename)
    published.check(published.load())
    batch = published.folder / published.kind.base_folder / published.kind.test_list[0][0]
    batch.write_bytes(batch.read_bytes()[:-7])  # as after a full disk
    published.check(published.load())
    assert len(list(published.folder.iterdir())) == 3


def test_a_failed_download_is_one_sentence_and_nothing_is_left(published):
    published.served.unlink()
    kind, folder = published.kind, published.folder
    assert published.refusal(OSError) == (
        f"could not download {kind.url} to {folder / kind.base_folder}: File not found"
    )
    assert list(folder.iterdir()) == []


def test_an_incomplete_download_is_refused_and_the_next_is_used(published):
    whole = published.served.read_bytes()
    published.served.write_bytes(whole[:-7])
    assert published.refusal(OSError).endswith(": what came is damaged")
    assert list(published.folder.iterdir()) == []
    published.served.write_bytes(whole)
    published.check(published.load())


def test_a_server_that_does_not_answer_is_left(published, monkeypatch):
    monkeypatch.setattr(cifar, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(published.kind, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert published.refusal(OSError).endswith(": timed out")
    assert socket.getdefaulttimeout() is None


def test_damaged_or_missing_files_are_refused_and_stay(published):
    published.load()
    kind, folder = published.kind, published.folder / published.kind.base_folder
    file = folder / kind.train_list[0][0]
    whole = file.read_bytes()
    expected = f"{folder} is damaged or incomplete; remove it to download it again"
    file.write_bytes(whole[:-7])
    assert published.refusal(ValueError) == expected
    file.unlink()
    assert published.refusal(ValueError) == expected
    file.write_bytes(whole)
    (folder / kind.meta["filename"]).unlink()
    assert published.refusal(ValueError) == expected
    assert file.read_bytes() == whole


def test_a_damaged_archive_is_refused_and_stays(published):
    published.folder.mkdir(parents=True)
    archive = published.folder / published.kind.filename
    archive.write_bytes(published.served.read_bytes()[:-7])
    expected = f"{archive} is damaged or incomplete; remove it to download it again"
    assert published.refusal(ValueError) == expected
    folder = published.folder / published.kind.base_folder
    folder.mkdir()
    assert published.refusal(ValueError) == (
        f"{folder} and {archive} are damaged or incomplete; remove them to download them again"
    )
    assert archive.exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(published, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAWTOOTH_DATA", str(tmp_path / "file" / "data"))
    assert published.refusal(OSError).startswith("could not download ")


def test_downloads_go_to_the_current_directory_unless_told(monkeypatch):
    monkeypatch.delenv("SAWTOOTH_DATA", raising=False)
    assert str(cifar.data_folder()) == "data"
