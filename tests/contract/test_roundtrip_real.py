"""The table of single changes, on a real server."""

from __future__ import annotations

from typing import Final

import pytest
from roundtrips import CASES, Case, Server, check, ids

SHORT: Final = 3
"""Every so manieth case is in the short form; all of them are asked of the fake gateway each time."""


@pytest.mark.contract
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if number % SHORT == 0 else pytest.mark.long)
        for number, (case, name) in enumerate(zip(CASES, ids(CASES), strict=True))
    ],
)
def test_a_change_takes_the_fewest_requests_and_leaves_nothing_to_do(case: Case, real: Server) -> None:
    check(case, real)
