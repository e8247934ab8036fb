"""Pages of a listing, for every API served beside MiniStack: a token is the place of the next page's first item."""

from collections.abc import Sequence
from typing import Any


def page(
    items: Sequence[Any], member: str, request: dict[str, Any], size: int, most: int | None = None
) -> dict[str, Any]:
    """The page that ``request`` asks for with NextToken and MaxResults, as ``{member: items, NextToken: …}``.

    ``size``: how many without MaxResults; ``most``: how many at most, else ``size``. Raises ``ValueError``.
    """
    token, wanted = str(request.get("NextToken") or "0"), request.get("MaxResults") or size
    if not token.isdigit():
        raise ValueError("NextToken is malformed")
    if not 1 <= int(wanted) <= (most or size):
        raise ValueError(f"MaxResults must be between 1 and {most or size}")
    start, end = int(token), int(token) + int(wanted)
    return {member: list(items[start:end])} | ({"NextToken": str(end)} if end < len(items) else {})
