"""CIFAR in the layout of torchvision, made small and served from a file."""

import gc
import hashlib
import pickle
import subprocess
import sys
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets

from empirical.data import cifar, sources

# torchvision leaves the connection of a failed download to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

KINDS = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def served_from():
    """Serves a folder on this machine alone and says at which address."""
    servers = []

    def serve(folder):
        class Quiet(SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def log_message(self, *arguments):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Quiet))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
    gc.collect()


@pytest.fixture(params=["cifar10", "cifar100"])
def archive(request, tmp_path, monkeypatch, served_from):
    """A small archive with its checksums, at an address that can be downloaded from."""
    kind, server = KINDS[request.param], tmp_path / "server"
    n_classes, key = (10, "labels") if request.param == "cifar10" else (100, "fine_labels")
    folder = server / kind.base_folder
    folder.mkdir(parents=True)
    rng, names, held = np.random.default_rng(0), {}, {}
    for part in ("train_list", "test_list"):
        names[part] = []
        for name, _ in getattr(kind, part):
            labels = rng.integers(n_classes, size=20).tolist()
            held[name] = rng.integers(256, size=(20, 3072), dtype=np.uint8), labels
            with (folder / name).open("wb") as file:
                pickle.dump({"data": held[name][0], key: labels}, file)
            names[part].append([name, md5(folder / name)])
    classes = {kind.meta["key"]: [f"class {i}" for i in range(n_classes)]}
    with (folder / kind.meta["filename"]).open("wb") as file:
        pickle.dump(classes, file)
    with tarfile.open(server / kind.filename, "w:gz") as tar:
        tar.add(folder, kind.base_folder)
    monkeypatch.setattr(kind, "url", f"{served_from(server)}/{kind.filename}")
    monkeypatch.setattr(kind, "tgz_md5", md5(server / kind.filename))
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / kind.meta["filename"])})
    for part, listed in names.items():
        monkeypatch.setattr(kind, part, listed)
    monkeypatch.setenv("SAWTOOTH_DATA", str(tmp_path / "new" / "data"))
    return request.param, server / kind.filename, tmp_path / "new" / "data", names, held


def test_images_and_labels_are_those_of_the_files(archive):
    name, _, _, names, held = archive
    images = sources.load(name)
    first = names["train_list"][0][0]
    np.testing.assert_array_equal(images.train_labels[:20], held[first][1])
    np.testing.assert_array_equal(images.train_images[:20].flatten(1), held[first][0])
    (test, _), *_ = names["test_list"]
    red_of_row_1 = held[test][0][0, 32:64]
    np.testing.assert_array_equal(images.test_images[0, 0, 1], red_of_row_1)
    assert images.image_shape == (3, 32, 32)
    assert images.n_classes == (10 if name == "cifar10" else 100)
    assert images.train_images.dtype == images.test_images.dtype == sources.torch.uint8


def test_files_that_are_there_are_used(archive):
    """Those of torchvision's layout: nothing is downloaded, not even looked for."""
    name, served, _, _, _ = archive
    first = cifar.load(name)
    served.unlink()
    np.testing.assert_array_equal(cifar.load(name).train_images, first.train_images)


def test_a_damaged_file_is_replaced(archive):
    name, _, folder, names, held = archive
    cifar.load(name)
    damaged = folder / KINDS[name].base_folder / names["test_list"][0][0]
    damaged.write_bytes(damaged.read_bytes()[:-7])
    found = cifar.load(name)
    np.testing.assert_array_equal(found.test_labels, held[names["test_list"][0][0]][1])


def test_what_cannot_be_downloaded_is_one_sentence(archive, monkeypatch):
    name, served, folder, _, _ = archive
    served.unlink()
    with pytest.raises(OSError, match=r"^could not download http://.* to .*: ") as caught:
        cifar.load(name)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_an_incomplete_download_is_refused_and_made_again(archive):
    name, served, _, _, held = archive
    whole = served.read_bytes()
    served.write_bytes(whole[:-7])
    with pytest.raises(OSError, match=r"could not download .*: File not found or corrupted"):
        cifar.load(name)
    served.write_bytes(whole)
    assert len(cifar.load(name).train_labels) == 20 * (len(held) - 1)


def test_no_network_is_one_sentence(archive, monkeypatch):
    def unreachable(*arguments, **named):
        raise URLError("Name or service not known")

    name = archive[0]
    monkeypatch.setattr(KINDS[name], "download", unreachable)
    with pytest.raises(OSError, match=r"could not download .*: Name or service not known"):
        cifar.load(name)


def test_downloads_go_to_the_current_directory_unless_told(monkeypatch):
    monkeypatch.delenv("SAWTOOTH_DATA", raising=False)
    assert str(cifar.data_folder()) == "data"


def test_torchvision_is_imported_only_where_it_is_needed():
    code = (
        "from empirical.data import sources\nimport sys\nsources.load('digits')\n"
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
