"""Sources by name, the first images of each class, and label noise."""

import subprocess
import sys

import pytest
import torch

from empirical.data import sources
from empirical.data.images import from_tensors

DIGITS = sources.load("digits")


def test_digits_are_split_once_and_for_all():
    assert DIGITS.train_images.shape == (1437, 1, 8, 8)
    assert DIGITS.test_images.shape == (360, 1, 8, 8)
    assert DIGITS.train_labels[:8].tolist() == sources.load("digits").train_labels[:8].tolist()
    normal = DIGITS.normalise(DIGITS.train_images)
    assert normal.mean().item() == pytest.approx(0, abs=1e-6)
    assert normal.std().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.slow
def test_sources_that_need_no_torchvision_do_not_load_it():
    code = (
        "import sys; from empirical.data import sources; sources.load('digits'); "
        "sources.load('fake'); sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_mean_and_spread_are_those_of_each_channel():
    images = sources.fake(100)
    pixels = images.train_images.double()
    assert images.mean.shape == images.std.shape == (3, 1, 1)
    for channel in range(3):
        values = pixels[:, channel]
        assert images.mean[channel].item() == pytest.approx(values.mean().item(), rel=1e-6)
        assert images.std[channel].item() == pytest.approx(values.std().item(), rel=1e-6)


def test_a_channel_without_contrast_is_refused():
    images = torch.zeros(4, 2, 3, 3, dtype=torch.uint8)
    images[0, 0] = 200
    labels = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="one and the same value in channel 1"):
        from_tensors(images, labels, images, labels, n_classes=2)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (lambda i, noise: 100 + (noise[i] > 250), "its standard deviation is 0.1[0-9] of 255"),
        (lambda i, noise: noise[0] if i % 3 else noise[i], "70% of the training images are one"),
    ],
)
def test_images_that_cannot_be_told_apart_are_refused(pixels, sentence):
    noise = torch.randint(256, (20, 1, 6, 6), generator=torch.Generator().manual_seed(0))
    images = torch.stack([pixels(i, noise) for i in range(20)]).to(torch.uint8)
    labels = torch.arange(20) % 2
    with pytest.raises(ValueError, match=sentence):
        from_tensors(images, labels, images, labels, n_classes=2)


@pytest.mark.parametrize(("source", "n_train"), [("fake", 2048), ("fake:60", 60)])
def test_fake_images_are_noise_and_always_the_same(source, n_train):
    images = sources.load(source)
    assert images.image_shape == (3, 32, 32)
    assert (len(images.train_labels), len(images.test_labels)) == (n_train, n_train // 4)
    assert images.n_classes == 10
    assert images.train_labels.unique().tolist() == list(range(10))
    assert images.mean.flatten().tolist() == pytest.approx([127.5] * 3, abs=1.5)
    assert images.std.flatten().tolist() == pytest.approx([(256**2 / 12) ** 0.5] * 3, abs=1)
    assert torch.equal(images.test_images, sources.load(source).test_images)


@pytest.mark.parametrize(
    "source", ["cats", "", "folder", "folder:", "fake:", "fake:x", "fake:-3", "digits:2", "Digits"]
)
def test_unknown_sources_are_refused(source):
    expected = (
        "data must be digits, cifar10, cifar100, folder:PATH or fake[:N], " + f"got {source!r}"
    )
    with pytest.raises(ValueError) as caught:
        sources.load(source)
    assert str(caught.value) == expected


@pytest.mark.parametrize("n", [0, 39, 1_000_001])
def test_impossible_numbers_of_fake_images_are_refused(n):
    with pytest.raises(ValueError, match=rf"must be in 40 .. 1000000, got {n}"):
        sources.load(f"fake:{n}")


def test_the_first_images_of_each_class_stay_in_stored_order():
    some = sources.load("digits", train_per_class=3, test_per_class=2)
    seen, rows = dict.fromkeys(range(10), 0), []
    for row, label in enumerate(DIGITS.train_labels.tolist()):
        seen[label] += 1
        if seen[label] <= 3:
            rows.append(row)
    assert torch.equal(some.train_images, DIGITS.train_images[rows])
    assert torch.equal(some.train_labels, DIGITS.train_labels[rows])
    assert torch.bincount(some.test_labels).tolist() == [2] * 10
    pixels = some.train_images.double()
    assert some.mean.item() == pytest.approx(pixels.mean().item(), rel=1e-6)
    assert some.std.item() == pytest.approx(pixels.std().item(), rel=1e-6)


def test_zero_takes_all_of_a_part():
    some = sources.load("digits", train_per_class=5)
    assert torch.equal(some.test_images, DIGITS.test_images)
    assert len(some.train_labels) == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"train_per_class": 140},
            "train_per_class must be at most the 139 images of class 8, got 140",
        ),
        ({"test_per_class": 36}, "test_per_class must be at most the 35 images of class 2, got 36"),
        ({"train_per_class": -1}, "train_per_class must be >= 0, got -1"),
        ({"test_per_class": -1}, "test_per_class must be >= 0, got -1"),
        ({"label_noise": 1.1}, "label_noise must be from 0 to 1, got 1.1"),
        ({"label_noise": float("nan")}, "label_noise must be from 0 to 1, got nan"),
    ],
)
def test_impossible_subsets_are_refused(arguments, message):
    with pytest.raises(ValueError) as caught:
        sources.load("digits", **arguments)
    assert str(caught.value) == message


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.25, 1.0])
def test_label_noise_redraws_that_fraction_uniformly(fraction):
    clean = sources.load("fake:20000")
    noisy = sources.load("fake:20000", label_noise=fraction, seed=3)
    n_redrawn = round(fraction * 20000)
    assert noisy.redrawn.shape == noisy.redrawn.unique().shape == (n_redrawn,)
    kept = torch.ones(20000, dtype=torch.bool)
    kept[noisy.redrawn] = False
    assert torch.equal(noisy.train_labels[kept], clean.train_labels[kept])
    drawn = noisy.train_labels[noisy.redrawn]
    shares = torch.bincount(drawn, minlength=10) / n_redrawn
    assert shares.tolist() == pytest.approx([0.1] * 10, abs=0.02)
    right = (drawn == clean.train_labels[noisy.redrawn]).double().mean()
    assert right.item() == pytest.approx(0.1, abs=0.02)
    assert torch.equal(noisy.test_labels, clean.test_labels)
    assert torch.equal(noisy.train_images, clean.train_images)


def test_label_noise_follows_its_seed():
    first, again, other = (
        sources.load("digits", label_noise=0.2, seed=seed).train_labels for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(DIGITS.redrawn) == 0
