"""The table of single changes, on the fake gateway. tests/contract asks the same of a real server."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.register_assert_rewrite("roundtrips")

from fake_gateway import FakeGateway  # noqa: E402
from roundtrips import CASES, Case, check, ids  # noqa: E402


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_a_change_takes_the_fewest_requests_and_leaves_nothing_to_do(case: Case) -> None:
    check(case, FakeGateway())


def test_every_case_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(ids(CASES)).items() if times > 1] == []
