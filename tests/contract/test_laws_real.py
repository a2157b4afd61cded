"""Repositories and servers that nobody thought of: one apply, and all laws of the house hold. On a real server."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.register_assert_rewrite("convergence", "roundtrips")

from convergence import Figures, check  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from servers import RealServer  # noqa: E402
from worlds import World, worlds  # noqa: E402

pytestmark = pytest.mark.contract


def converge(real: RealServer, examples: int, chance: int) -> Figures:
    """So many worlds, one after the other, each on the server that the one before has left empty."""
    figures = Figures()

    @seed(chance)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a smaller case is looked for on the fake gateway
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds())
    def law(world: World) -> None:
        real.clear()
        real.requests.clear()
        check(world, real, real.reading, figures)

    law()
    return figures


@pytest.fixture(autouse=True)
def no_cache_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))


def test_after_an_apply_the_plan_is_empty_and_all_laws_hold(real: RealServer) -> None:
    assert converge(real, 4, 11).cases == 4


@pytest.mark.long
def test_after_an_apply_the_plan_is_empty_and_all_laws_hold_for_long(real: RealServer) -> None:
    chance = random.SystemRandom().randrange(2**32)
    print(f"convergence on a real server begins with seed {chance}")
    print(f"FIGURES convergence on a real server: {converge(real, 100, chance)}; seed {chance}, 0 failed")
