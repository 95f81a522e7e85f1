"""What training looks at once a second: a wish to stop, and somebody who asks how far it is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Never, Protocol

from tqdm import tqdm


class Watch(Protocol):
    """Whether to stop, and where to say how far training is."""

    @property
    def stop_requested(self) -> bool:
        """Whether training should save what it has and end."""

    def show(self, done: float, note: str) -> None:
        """Say how much work is done, in steps of one network."""


class Surroundings(Protocol):
    """Where training takes place."""

    def watching(
        self, description: str, *, total: float, done: float
    ) -> AbstractContextManager[Watch]:
        """Watch while training ``total`` steps of one network, ``done`` of them before."""


class Terminal:
    """A progress bar, SIGINT and SIGTERM; signals only where Python delivers them."""

    @contextmanager
    def watching(self, description: str, *, total: float, done: float) -> Iterator[Watch]:
        """Collect signals instead of dying inside a step; a second one interrupts at once."""
        with stop_requests() as requests, _bar(description, total, done) as bar:
            yield _OnTerminal(requests, bar)


class _OnTerminal:
    def __init__(self, requests: list[int], bar: "tqdm[Never]") -> None:
        self._requests, self._bar = requests, bar

    @property
    def stop_requested(self) -> bool:
        return bool(self._requests)

    def show(self, done: float, note: str) -> None:
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)


class Remote:
    """Files instead of a terminal: one that asks to stop, and one that says how far it is.

    Args:
        stop_file: training ends where it appears.
        steps_file: holds the work done so far, in steps of one network; removed at the end. None
            to tell nobody.
    """

    def __init__(self, *, stop_file: Path, steps_file: Path | None) -> None:
        self.stop_file, self.steps_file = stop_file, steps_file

    @contextmanager
    def watching(self, description: str, *, total: float, done: float) -> Iterator[Watch]:
        """Look at the files, and at signals where Python delivers them."""
        with stop_requests() as requests:
            try:
                yield _ByFiles(self, requests)
            finally:
                if self.steps_file is not None:
                    self.steps_file.unlink(missing_ok=True)


class _ByFiles:
    def __init__(self, files: Remote, requests: list[int]) -> None:
        self._files, self._requests = files, requests

    @property
    def stop_requested(self) -> bool:
        return bool(self._requests) or self._files.stop_file.exists()

    def show(self, done: float, note: str) -> None:
        if self._files.steps_file is not None:
            with suppress(OSError):  # training matters more
                self._files.steps_file.write_text(repr(done))


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list; a second one interrupts at once.

    Outside the main thread, where Python delivers no signals, the list stays empty.
    """
    requests: list[int] = []

    def note(number: int, frame: object) -> None:
        if requests:
            raise KeyboardInterrupt
        requests.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _bar(description: str, total: float, done: float) -> "tqdm[Never]":
    return tqdm(
        total=total,
        initial=done,
        desc=description,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}",
        disable=None,
    )
