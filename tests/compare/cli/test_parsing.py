import argparse

import pytest

from compare.cli.parsing import as_count


@pytest.mark.parametrize(
    ("text", "count"),
    [("40", 40), ("1_000", 1000), ("1e4", 10_000), ("2.5e3", 2500), ("-1e1", -10)],
)
def test_whole_numbers_may_be_written_with_an_exponent(text, count):
    assert as_count(text) == count


@pytest.mark.parametrize("text", ["1.5", "1e-2", "nan", "inf", "1e400", "many", ""])
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number, got '"):
        as_count(text)
