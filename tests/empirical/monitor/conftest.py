"""What the tests of the monitor share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks this small only wait for a second thread, the longer the busier the machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
