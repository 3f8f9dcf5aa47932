from __future__ import annotations

import pytest

from syncline_server.config.child_environ import redis_environ


def test_the_embedded_redis_merges_freed_memory_at_once() -> None:
    assert "glibc.malloc.mxfast=0" in redis_environ()["GLIBC_TUNABLES"]


def test_tunables_of_the_user_count_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert redis_environ()["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"


def test_it_does_not_see_the_settings_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_AUTH_TOKEN", "secret")
    monkeypatch.setenv("OTHER_SECRET", "secret")
    assert "secret" not in redis_environ().values()
