"""Steps that are recorded once, as a CUDA graph, and then replayed at no cost for the host."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

WARM_UP = 3  # calls before a recording, in which libraries choose kernels and take their memory


class Graph(Protocol):
    """A recording."""

    def replay(self) -> None:
        """Do again, on the same tensors, what was recorded."""

    def pool(self) -> Any:
        """Where its memory is."""

    def reset(self) -> None:
        """Let go of its memory."""


class Recorder(Protocol):
    """What makes recordings."""

    def aside(self, work: Callable[[], None]) -> None:
        """Do work where it can be recorded later."""

    def synchronises(self, work: Callable[[], None]) -> bool:
        """Do work up to the point where it waits for the device, and tell whether it does."""

    def record(self, work: Callable[[], None], beside: Graph | None) -> Graph:
        """Record work without doing it, in the memory of another recording if there is one."""


class Replay:
    """A function of a batch's size that is called many times, as a recording where there can be.

    Its first calls for a size are ordinary ones, the next is recorded, and it and all later ones
    are replays. So the function must read and write only tensors that stay in place, and all that
    changes from call to call must be in these tensors.

    Args:
        function: what to do, as long as it does not wait for the device.
        recorder: makes the recordings; None to call the function every time.

    Attributes:
        refused: why the function cannot be recorded, "" if it can or was never tried.
        n_replayed: number of calls that were replays.
    """

    def __init__(self, function: Callable[[int], None], recorder: Recorder | None) -> None:
        self.function, self.recorder = function, recorder
        self.refused, self.n_replayed = "", 0
        self._calls: Counter[int] = Counter()
        self._graphs: dict[int, Graph] = {}

    def __call__(self, size: int) -> None:
        """Call the function, or replay it.

        Raises:
            ValueError: if it cannot be recorded for a reason that only the recording showed.
        """
        if self.recorder is None or self.refused:
            self.function(size)
            return
        self._calls[size] += 1
        if self._calls[size] <= WARM_UP:
            self._warm_up(self.recorder, size)
            return
        if size not in self._graphs:
            beside = next(iter(self._graphs.values()), None)
            self._graphs[size] = self.recorder.record(lambda: self.function(size), beside)
        self._graphs[size].replay()
        self.n_replayed += 1

    def _warm_up(self, recorder: Recorder, size: int) -> None:
        """An ordinary call, the last of which shows whether the function can be recorded."""
        if self._calls[size] < WARM_UP:
            recorder.aside(lambda: self.function(size))
        elif recorder.synchronises(lambda: self.function(size)):
            self.refused = "a step of this model waits for the device"
            self.release()
            self.function(size)

    def release(self) -> None:
        """Let go of all recordings and their memory."""
        for graph in self._graphs.values():
            graph.reset()
        self._graphs.clear()


class CUDARecorder:
    """Records what is launched on a stream of its own, as PyTorch asks for.

    Source: PyTorch, "CUDA semantics", section "CUDA Graphs".
    """

    def __init__(self, device: torch.device) -> None:
        make: Callable[[torch.device], torch.cuda.Stream] = torch.cuda.Stream
        self.stream = make(device)

    def aside(self, work: Callable[[], None]) -> None:
        """Do work on the recording stream; what is launched before and after it keeps its order."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        try:
            with torch.cuda.stream(self.stream):
                work()
        finally:
            current.wait_stream(self.stream)

    def synchronises(self, work: Callable[[], None]) -> bool:
        """Do work up to the point where it waits for the device, and tell whether it does."""
        try:
            with _refusing_to_wait():
                self.aside(work)
        except RuntimeError as error:
            if "synchronizing CUDA operation" not in str(error):
                raise
            return True
        return False

    def record(self, work: Callable[[], None], beside: Graph | None) -> Graph:
        """Record work without doing it.

        Recordings share memory: they are replayed one after another, and nothing that one leaves
        there is needed by another.

        Raises:
            ValueError: if CUDA refuses. It then may refuse much else in this process.
        """
        current = torch.cuda.current_stream(self.stream.device)
        graph, pool = torch.cuda.CUDAGraph(), beside.pool() if beside is not None else None
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self.stream):
                work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            cause = str(error.__context__ or error).splitlines()[0]
            raise ValueError(
                f"a step of this model cannot be recorded as a CUDA graph ({cause}); "
                "train it with graphs = false"
            ) from error
        finally:
            # where CUDA refuses, torch leaves its own stream in place
            torch.cuda.set_stream(current)
        return graph


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    """Make operations that wait for the device raise an error."""
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says each time that it does not find all of them
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)
