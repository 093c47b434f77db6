"""Which replica a user's questions go to."""

from __future__ import annotations

from collections import Counter

import pytest

# Ray Serve itself uses what pydantic deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

USERS = [f"user {number}" for number in range(3_000)]
REPLICAS = ["a1", "b2", "c3"]


def test_users_are_spread_evenly_and_alike_everywhere() -> None:
    from scaling.serving_ray_router import preference

    chosen = {user: preference(user, REPLICAS) for user in USERS}
    assert all(sorted(order) == REPLICAS for order in chosen.values())
    assert chosen == {user: preference(user, REPLICAS[::-1]) for user in USERS}
    counts = Counter(order[0] for order in chosen.values())
    # Three standard deviations of a fair choice are 77.
    assert all(abs(counts[name] - 1_000) < 80 for name in REPLICAS)


def test_a_replica_that_goes_moves_only_its_own_users() -> None:
    from scaling.serving_ray_router import preference

    for user in USERS[:300]:
        before = preference(user, REPLICAS)
        after = preference(user, REPLICAS[1:])
        assert after == [name for name in before if name != REPLICAS[0]]
