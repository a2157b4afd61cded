"""The table of single changes, on a real server."""

from __future__ import annotations

import pytest
from roundtrips import CASES, Case, Server, check, ids


@pytest.mark.contract
@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_a_change_takes_the_fewest_requests_and_leaves_nothing_to_do(case: Case, real: Server) -> None:
    check(case, real)
