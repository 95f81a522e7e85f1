"""Image folders: what is read, what is kept, and what is refused."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from empirical.data import image_folder, sources

COUNTS = {("train", "cat"): 3, ("train", "ant"): 2, ("test", "cat"): 1, ("test", "ant"): 2}


def draw(seed, channels=3, size=(6, 5)):
    """Random pixels, (height, width, channels) or (height, width)."""
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    """A folder of lossless RGB images, 5 wide and 6 high."""
    for part, label in COUNTS:
        (tmp_path / part / label).mkdir(parents=True)
        for i in range(COUNTS[part, label]):
            pixels = draw((ord(part[1]), ord(label[0]), i))
            Image.fromarray(pixels).save(tmp_path / part / label / f"{i}.png")
    return tmp_path


def refusal(root):
    with pytest.raises(ValueError) as caught:
        image_folder.load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pixels_and_labels_are_those_of_the_files(root):
    images = sources.load(f"folder:{root}")
    assert images.train_labels.tolist() == [0, 0, 1, 1, 1]
    assert images.test_labels.tolist() == [0, 0, 1]
    assert images.n_classes == 2
    assert images.image_shape == (3, 6, 5)
    expected = draw((ord("r"), ord("c"), 1)).transpose(2, 0, 1)
    np.testing.assert_array_equal(images.train_images[3], expected)
    expected = draw((ord("e"), ord("a"), 1)).transpose(2, 0, 1)
    np.testing.assert_array_equal(images.test_images[1], expected)


def test_grey_images_have_one_channel_unless_others_have_colour(root):
    for file in root.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    grey = image_folder.load(root)
    assert grey.image_shape == (1, 6, 5)
    Image.fromarray(draw(1)).save(root / "test" / "cat" / "0.png")
    mixed = image_folder.load(root)
    assert mixed.image_shape == (3, 6, 5)
    assert torch.equal(mixed.train_images, grey.train_images.expand(-1, 3, -1, -1))


def test_palettes_are_read_as_colours_and_hidden_files_ignored(root):
    pixels = draw(4) // 128 * 128
    cats = root / "train" / "cat"
    Image.fromarray(pixels).quantize(8).save(cats / "1.png")
    for name in (".DS_Store", "._1.png", ".hidden.png"):
        (cats / name).write_text("not an image")
    shutil.copytree(cats, cats / ".ipynb_checkpoints")
    (root / "train" / ".git").mkdir()
    images = image_folder.load(root)
    assert images.train_images.shape == (5, 3, 6, 5)
    np.testing.assert_array_equal(images.train_images[3], pixels.transpose(2, 0, 1))


def test_a_plain_folder_is_its_images_in_the_order_of_their_names(root):
    for i, name in enumerate(("10.png", "9.png", "B.PNG", "a.JPG", "Ä.jpeg", "a b.bmp")):
        Image.fromarray(draw(i)).save(root / "train" / "cat" / name)
    for part in ("train", "test"):
        shutil.copytree(root / part / "ant", root / part / "Zebra")
    images = sources.load(f"folder:{root}")
    for part, n in (("train", 13), ("test", 5)):
        pixels, labels = [], []
        for label, folder in enumerate(sorted((root / part).iterdir())):
            for file in sorted(folder.iterdir()):
                pixels.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
                labels.append(label)
        assert len(labels) == n
        np.testing.assert_array_equal(getattr(images, f"{part}_images"), pixels)
        assert getattr(images, f"{part}_labels").tolist() == labels


def test_subfolders_are_read_as_torchvision_reads_them(root):
    cats = root / "train" / "cat"
    for i, place in enumerate(("more", "more/and more", "Even more")):
        (cats / place).mkdir()
        Image.fromarray(draw(i)).save(cats / place / "0.png")
    (root / "elsewhere").mkdir()
    Image.fromarray(draw(3)).save(root / "elsewhere" / "0.png")
    (cats / "linked").symlink_to(root / "elsewhere")
    images = image_folder.load(root)
    listed = ImageFolder(root / "train")
    assert images.train_labels.tolist() == listed.targets == [0] * 2 + [1] * 7
    for pixels, (image, _) in zip(images.train_images, listed, strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(image).transpose(2, 0, 1))


def test_other_files_are_named_in_a_warning(root):
    (root / "train" / "readme.md").touch()
    (root / "train" / "cat" / "more").mkdir()
    (root / "train" / "cat" / "more" / "a.gif").touch()
    with pytest.warns(UserWarning) as caught:
        assert len(image_folder.load(root).train_labels) == 5
    said = f"{root}: files without an image suffix are not read (2: "
    assert [str(w.message) for w in caught] == [said + "train/cat/more/a.gif, train/readme.md)"]
    for name in ("b.txt", "a.txt"):
        (root / "test" / "ant" / name).touch()
    with pytest.warns(UserWarning, match=r" \(4: .*, test/ant/a\.txt, \.\.\.\)$"):
        image_folder.load(root)


def test_images_outside_the_classes_are_refused(root):
    for name in ("b.jpg", "a.png"):
        Image.fromarray(draw(0)).save(root / "test" / name)
    assert refusal(root) == (
        f"{root / 'test'} holds images outside its class folders (2: {root / 'test' / 'a.png'}, "
        "...); move them to their classes, or away"
    )


@pytest.mark.parametrize("target", ["train/cat", "train", "."])
def test_a_link_to_a_folder_that_it_is_in_is_not_followed(root, target):
    link = root / "train" / "cat" / "loop"
    link.symlink_to(root / target)
    with pytest.warns(UserWarning) as caught:
        assert image_folder.load(root).train_labels.tolist() == [0, 0, 1, 1, 1]
    said = f"{link} links to a folder that it is in: not followed"
    assert [str(w.message) for w in caught] == [said]


def test_links_between_classes_are_followed_once_and_several_circles_refused(root):
    (root / "train" / "ant" / "x").symlink_to(root / "train" / "cat")
    assert len(image_folder.load(root).train_labels) == 5 + 3
    first, second = (root / "train" / "cat" / name for name in ("y", "z"))
    for link in (first, second):
        link.symlink_to(root / "train" / "cat")
    inside = root / "train" / "ant" / "x"
    assert refusal(root) == (
        f"{inside / 'y'} and {inside / 'z'} link to folders that they are in; remove them"
    )


def test_links_to_nowhere_are_refused(root):
    link = root / "train" / "cat" / "9.png"
    link.symlink_to(root / "nowhere.png")
    assert refusal(root) == f"{link} cannot be read (No such file or directory)"


def test_the_cache_is_used_until_a_byte_changes(root, monkeypatch):
    first = image_folder.load(root)
    monkeypatch.setattr(image_folder, "_decode", lambda files: pytest.fail("decoded again"))
    assert torch.equal(image_folder.load(root).train_images, first.train_images)
    monkeypatch.undo()
    changed = root / "test" / "cat" / "0.png"
    times = changed.stat().st_atime_ns, changed.stat().st_mtime_ns
    Image.fromarray(draw(9)).save(changed)
    os.utime(changed, ns=times)
    np.testing.assert_array_equal(
        image_folder.load(root).test_images[2], draw(9).transpose(2, 0, 1)
    )
    (root / "train" / "cat" / "2.png").rename(root / "train" / "ant" / "2.png")
    assert image_folder.load(root).train_labels.tolist() == [0, 0, 0, 1, 1]
    assert [path.name for path in root.iterdir() if path.is_file()] == [image_folder.CACHE]


@pytest.mark.parametrize("damage", [b"", b"PK", b"nonsense", None])
def test_a_damaged_cache_is_made_again(root, damage):
    first = image_folder.load(root)
    cache = root / image_folder.CACHE
    whole = cache.read_bytes()
    flipped = whole[:600] + bytes([whole[600] ^ 1]) + whole[601:]
    cache.write_bytes(flipped if damage is None else whole[: len(whole) // 2] + damage)
    assert torch.equal(image_folder.load(root).train_images, first.train_images)
    assert cache.read_bytes()[:100] == whole[:100]
    assert len(cache.read_bytes()) == len(whole)


@pytest.mark.parametrize(
    "other",
    [lambda p: p[:-1], lambda p: p.astype(np.int16), lambda p: p[:, :2], lambda p: p.ravel()],
    ids=["fewer", "wider", "channels", "flat"],
)
def test_a_cache_of_another_shape_is_made_again(root, other):
    whole = image_folder.load(root).train_images
    cache = root / image_folder.CACHE
    with np.load(cache) as kept:
        key, pixels = kept["key"], kept["pixels"]
    np.savez(cache, key=key, pixels=other(pixels))
    assert torch.equal(image_folder.load(root).train_images, whole)
    with np.load(cache) as kept:
        np.testing.assert_array_equal(kept["pixels"], pixels)


def test_a_cache_of_foreign_objects_is_not_unpickled(root):
    class Foreign:
        def __reduce__(self):
            return (pytest.fail, ("foreign code was executed",))

    first = image_folder.load(root)
    with np.load(root / image_folder.CACHE) as kept:
        key = kept["key"]
    np.savez(root / image_folder.CACHE, key=key, pixels=np.array([Foreign()], dtype=object))
    assert torch.equal(image_folder.load(root).train_images, first.train_images)


@pytest.mark.parametrize("step", ["savez", "replace"])
def test_a_folder_that_cannot_be_written_is_read_without_a_cache(root, step, monkeypatch):
    def refuse(*arguments, **named):
        raise PermissionError("read-only")

    monkeypatch.setattr(
        *{"savez": (np, "savez"), "replace": (image_folder.Path, "replace")}[step], refuse
    )
    assert len(image_folder.load(root).train_labels) == 5
    assert sorted(path.name for path in root.iterdir()) == ["test", "train"]


def test_missing_folders_are_refused(root):
    assert refusal(root / "none") == f"there is no image folder {root / 'none'}"
    shutil.rmtree(root / "test")
    assert refusal(root) == f"{root} holds no folder test/ with a folder for each class"
    shutil.rmtree(root / "train")
    assert refusal(root) == f"{root} holds no folder train/ with a folder for each class"


def test_classes_that_differ_are_refused(root):
    (root / "test" / "cat").rename(root / "test" / "dog")
    assert refusal(root) == f"{root / 'train'} holds classes that test/ has not: cat"
    shutil.copytree(root / "train" / "cat", root / "test" / "cat")
    assert refusal(root) == f"{root / 'test'} holds classes that train/ has not: dog"


def test_an_empty_class_is_refused(root):
    (root / "test" / "cat" / "0.png").unlink()
    assert refusal(root).startswith(f"{root / 'test' / 'cat'} holds no images (.jpg, ")


@pytest.mark.parametrize("n_classes", [0, 1])
def test_fewer_than_two_classes_are_refused(root, n_classes):
    for label in ("ant", "cat")[n_classes:]:
        for part in ("train", "test"):
            shutil.rmtree(root / part / label)
    assert refusal(root) == f"{root / 'train'} must hold at least 2 class folders, got {n_classes}"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_damaged_images_are_refused_by_name(root, suffix):
    damaged = root / "train" / "cat" / f"7{suffix}"
    Image.fromarray(draw(2)).save(damaged)
    assert len(image_folder.load(root).train_labels) == 6
    content = damaged.read_bytes()
    for part in (content[: int(len(content) * 0.7)], content[:10], b"", b"hello"):
        damaged.write_bytes(part)
        assert refusal(root).startswith(f"{damaged} is not a readable image (")


def test_images_of_different_sizes_are_refused(root):
    other = root / "test" / "ant" / "1.png"
    Image.fromarray(draw(3, size=(5, 6))).save(other)
    assert refusal(root) == (
        f"all images must have one size, but {other} has 6x5 pixels "
        f"and {root / 'train' / 'ant' / '0.png'} has 5x6"
    )


def test_images_of_more_than_8_bits_are_refused(root):
    deep = root / "train" / "cat" / "0.png"
    Image.fromarray(np.arange(30, dtype=np.uint16).reshape(6, 5) * 1000).save(deep)
    assert refusal(root).startswith(f"{deep} must have 8 bits a channel")
