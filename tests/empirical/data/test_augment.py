"""Crops and flips of a batch against a slow reference that handles one image at a time."""

import pytest
import torch

from empirical.data import augment


def crop_and_flip(images, generators):
    return augment.cut(images, augment.draw(generators, images.shape[1]))


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def pictures(n_runs=3, n_examples=7, channels=2, height=6, width=5):
    """Random pixels, none of them black, so that padding can be told from images."""
    shape = (n_runs, n_examples, channels, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generators(0)[0])


def slowly(image, top, left, mirrored, padding):
    """Cut one image pixel by pixel, then mirror it."""
    channels, height, width = image.shape
    result = torch.zeros_like(image)
    for channel in range(channels):
        for i in range(height):
            for j in range(width):
                row, column = i + top - padding, j + left - padding
                if 0 <= row < height and 0 <= column < width:
                    place = width - 1 - j if mirrored else j
                    result[channel, i, place] = image[channel, row, column]
    return result


@pytest.mark.parametrize("padding", [0, 1, 4])
def test_a_batch_is_cut_like_its_images_one_at_a_time(padding):
    images = pictures()
    places = augment.draw(generators(1, 2, 3), 7, padding=padding)
    measured = augment.cut(images, places, padding=padding)
    top, left, mirrored = augment.unpack(places, padding=padding)
    for run in range(3):
        for example in range(7):
            where = (top[run, example], left[run, example], mirrored[run, example])
            expected = slowly(images[run, example], *where, padding)
            assert torch.equal(measured[run, example], expected)
    assert measured.dtype == torch.uint8


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 8), (8, 0), (4, 4)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_corners_shift_by_the_whole_padding(row, column, mirrored):
    image = pictures(1, 1, 3, 8, 8)
    place = torch.tensor([[(row * 9 + column) * 2 + mirrored]])
    expected = torch.zeros(1, 1, 3, 16, 16, dtype=torch.uint8)
    expected[..., 4:12, 4:12] = image
    expected = expected[..., row : row + 8, column : column + 8]
    expected = expected.flip(4) if mirrored else expected
    assert torch.equal(augment.cut(image, place), expected)


def test_shifts_cover_0_to_8_evenly_and_half_of_the_images_are_mirrored():
    n = 81_000
    top, left, mirrored = augment.unpack(augment.draw(generators(5), n))
    for shift in (top, left):
        assert shift.unique().tolist() == list(range(9))
        assert (torch.bincount(shift[0]) / n).tolist() == pytest.approx([1 / 9] * 9, abs=0.006)
    together = torch.bincount((top * 9 + left)[0], minlength=81)
    assert float(((together - n / 81) ** 2 / (n / 81)).sum()) < 125  # 0.1 % tail of chi^2, 80
    assert mirrored.double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert top[mirrored].double().mean().item() == pytest.approx(4, abs=0.05)


def test_a_run_alone_is_the_run_among_others():
    images = pictures()
    together = crop_and_flip(images, generators(4, 5, 6))
    alone = crop_and_flip(images[1:2], generators(5))
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(together, images)


def test_draws_go_on_with_the_generators():
    images = pictures()
    running = generators(4, 5, 6)
    first, second = (crop_and_flip(images, running) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, crop_and_flip(images, generators(4, 5, 6)))


def test_images_stay_as_they_are():
    images = pictures()
    before = images.clone()
    crop_and_flip(images, generators(1, 2, 3))
    assert torch.equal(images, before)


def test_each_run_needs_a_generator():
    with pytest.raises(ValueError, match=r"images of 3 runs .* got \(2, 7\)"):
        crop_and_flip(pictures(), generators(1, 2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_pixels_of_the_cpu():
    images = pictures()
    gpu = crop_and_flip(images.cuda(), generators(1, 2, 3))
    assert gpu.is_cuda
    assert torch.equal(gpu.cpu(), crop_and_flip(images, generators(1, 2, 3)))
