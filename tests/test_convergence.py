"""Repositories and servers that nobody thought of: one apply, and all laws of the house hold. On the fake gateway."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.register_assert_rewrite("convergence", "roundtrips")

from convergence import Figures, check  # noqa: E402
from fake_gateway import FakeGateway  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from worlds import World, worlds  # noqa: E402


def converge(examples: int, chance: int | None) -> Figures:
    """So many worlds, one after the other; without `chance` always the same ones."""
    figures = Figures()

    def law(world: World) -> None:
        server = FakeGateway()
        check(world, server, server, figures)

    checked = settings(
        max_examples=examples,
        derandomize=chance is None,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(given(worlds())(law))
    (checked if chance is None else seed(chance)(checked))()
    return figures


@pytest.fixture(autouse=True)
def no_cache_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))


def test_after_an_apply_the_plan_is_empty_and_all_laws_hold() -> None:
    figures = converge(40, None)
    assert figures.cases >= 40
    assert {"create", "update", "adopt", "holds", "orphans", "foreign"} <= {
        name for name, times in figures.met.items() if times
    }


@pytest.mark.long
def test_after_an_apply_the_plan_is_empty_and_all_laws_hold_for_long() -> None:
    chance = random.SystemRandom().randrange(2**32)
    print(f"convergence begins with seed {chance}")
    print(f"FIGURES convergence: {converge(2000, chance)}; seed {chance}, 0 failed")
