"""A cache whose server is gone: what Redis looks like from Django when it is down."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import BaseCache


class BrokenCache(BaseCache):
    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def _gone(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("the cache's server is gone")

    add = get = get_many = set = delete = touch = clear = incr = has_key = _gone  # type: ignore[assignment]
