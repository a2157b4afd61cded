"""What the flows of this repository ask of Prefect's API: pages without end, and times as they are in Buenos Aires."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from prefect.client.orchestration import PrefectClient

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")

PAGE: Final = 200
"""Rows a page: the most that the server gives at once."""

Row = Mapping[str, Any]
"""An object as the API tells it. Prefect's own classes take ten times the memory."""


async def rows(client: PrefectClient, path: str, query: Mapping[str, Any] | None = None) -> AsyncIterator[Row]:
    """Every row that a `…/filter` gives, each once, one page in memory at a time.

    Ask for a sort that no two rows share (`ID_DESC`) where there is one: between two pages the server may give rows
    that sort alike in another order, and one of them would be left out.
    """
    seen: set[str] = set()
    offset = 0
    while True:
        answer = await client.request("POST", path, json={**(query or {}), "limit": PAGE, "offset": offset})  # type: ignore[arg-type]
        page = answer.json()
        for row in page:
            if row["id"] not in seen:
                seen.add(row["id"])
                yield row
        if len(page) < PAGE:
            return
        offset += len(page)


def aware(moment: datetime) -> datetime:
    """The moment in Buenos Aires; one that says no zone is meant there already."""
    plain = datetime.fromisoformat(moment.isoformat())  # Prefect's are pendulum's at times, which reckon otherwise
    return plain.replace(tzinfo=ZONE) if plain.tzinfo is None else plain.astimezone(ZONE)


def read_time(text: str | None) -> datetime | None:
    """A time of the API, in Buenos Aires."""
    return None if text is None else aware(datetime.fromisoformat(text))
