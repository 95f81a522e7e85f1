"""Independent work side by side on a GPU, each piece on a stream of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

N_LANES = 4


class Lanes:
    """Side streams, in turn; on another device than a GPU, nothing.

    A piece of work must take all its memory inside its lane, apart from tensors that live until
    ``join``. Recorded as a CUDA graph, lanes become branches that run at the same time.

    Args:
        device: where the work is done; None to do it in one place.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        n_streams = N_LANES if device is not None and device.type == "cuda" else 0
        make: Callable[[torch.device | None], torch.cuda.Stream] = torch.cuda.Stream
        self.streams = [make(device) for _ in range(n_streams)]

    @contextmanager
    def lane(self, i: int) -> Iterator[None]:
        """Launch the i-th piece of work on its stream, after all that was launched before it."""
        if not self.streams:
            yield
            return
        stream = self.streams[i % len(self.streams)]
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with torch.cuda.stream(stream):
            yield

    def join(self, n_pieces: int) -> None:
        """Let what is launched from now on wait for the first pieces of work."""
        for stream in self.streams[:n_pieces]:
            torch.cuda.current_stream(stream.device).wait_stream(stream)
