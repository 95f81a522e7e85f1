"""Which images an image folder holds, with their labels, and what is passed over."""

import os
import warnings
from pathlib import Path

EXAMPLES = 3  # files that a warning names

Samples = list[tuple[str, int]]  # paths and labels


def read(root: Path) -> tuple[list[str], Samples, Samples]:
    """List the images in ``train/CLASS`` and ``test/CLASS``, and warn of other files.

    Returns:
        Names of the classes, and the images of each part in torchvision's order: by class, then
        by folder, then by name.

    Raises:
        ValueError: if a folder is missing or a class is empty, if the two parts differ in their
            classes, if images lie outside the classes, or if links lead round in circles.
        OSError: if a folder cannot be listed.
    """
    names, test_names = _class_names(root, "train"), _class_names(root, "test")
    _check_same_classes(root, names, test_names)
    train, left = _samples(root / "train", names)
    test, left_of_test = _samples(root / "test", names)
    _warn_of(root, left + left_of_test)
    return names, train, test


def _class_names(root: Path, part: str) -> list[str]:
    """Names of the class folders of one part, sorted."""
    if not root.is_dir():
        raise ValueError(f"there is no image folder {root}")
    if not (root / part).is_dir():
        raise ValueError(f"{root} holds no folder {part}/ with a folder for each class")
    return sorted(e.name for e in (root / part).iterdir() if e.is_dir() and _is_visible(e.name))


def _is_visible(name: str) -> bool:
    return not name.startswith(".")


def _check_same_classes(root: Path, train: list[str], test: list[str]) -> None:
    """Refuse parts with different classes, or fewer than two."""
    for part, names, other, others in (
        ("train", train, "test", test),
        ("test", test, "train", train),
    ):
        if extra := sorted(set(names) - set(others)):
            raise ValueError(
                f"{root / part} holds classes that {other}/ has not: {', '.join(extra)}"
            )
    if len(train) < 2:
        raise ValueError(f"{root / 'train'} must hold at least 2 class folders, got {len(train)}")


def _samples(folder: Path, names: list[str]) -> tuple[Samples, list[str]]:
    """Images of one part as torchvision lists them, and the other visible files.

    Raises:
        ValueError: if a class has no images, or an image has no class.
    """
    from torchvision.datasets import ImageFolder  # takes seconds
    from torchvision.datasets.folder import IMG_EXTENSIONS, is_image_file

    visible = _walk(folder)
    samples: Samples = ImageFolder.make_dataset(
        folder,
        {name: label for label, name in enumerate(names)},
        is_valid_file=lambda path: path in visible and is_image_file(path),
        allow_empty=True,  # refused below by name
    )
    labels = {label for _, label in samples}
    for label, name in enumerate(names):
        if label not in labels:
            raise ValueError(f"{folder / name} holds no images ({', '.join(IMG_EXTENSIONS)})")
    left = sorted(visible.difference(path for path, _ in samples))
    if outside := [path for path in left if is_image_file(path)]:
        raise ValueError(
            f"{folder} holds images outside its class folders ({len(outside)}: {outside[0]}, ...); "
            "move them to their classes, or away"
        )
    return samples, left


def _walk(folder: Path) -> set[str]:
    """Paths of all files in a folder and its subfolders, without those that are hidden.

    A link to a folder that the link itself is in is not followed, and a warning says so.

    Raises:
        ValueError: if there are several such links; torchvision would follow each from each.
        OSError: if a folder cannot be listed.
    """
    files: set[str] = set()
    loops = []
    above = {str(folder): [folder.resolve()]}  # real paths of a folder and of those it is in
    for path, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        files.update(str(Path(path, name)) for name in names if _is_visible(name))
        children = [Path(path, name) for name in folders if _is_visible(name)]
        folders.clear()  # walked next are those that come back
        for child in children:
            real = child.resolve()
            if any(seen.is_relative_to(real) for seen in above[path]):
                loops.append(str(child))
            else:
                folders.append(child.name)
                above[str(child)] = [*above[path], real]
    if len(loops) > 1:
        raise ValueError(
            f"{' and '.join(sorted(loops)[:2])} link to folders that they are in; remove them"
        )
    if loops:
        warnings.warn(f"{loops[0]} links to a folder that it is in: not followed", stacklevel=4)
    return files


def _raise(error: OSError) -> None:
    raise error


def _warn_of(root: Path, left: list[str]) -> None:
    """Name files that were passed over, if there are any."""
    if left:
        examples = [str(Path(path).relative_to(root)) for path in left[:EXAMPLES]]
        more = ", ..." if len(left) > EXAMPLES else ""
        warnings.warn(
            f"{root}: files without an image suffix are not read ({len(left)}: "
            f"{', '.join(examples)}{more})",
            stacklevel=3,
        )
