"""The same user goes to the same replica, whose cache knows what the user did."""

from __future__ import annotations

import hashlib

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class ByUser(RequestRouter):  # type: ignore[misc]  # Ray has no types
    """Ranks the replicas by rendezvous hashing of the user.

    Each user has an order of preference among the replicas of its own; the first with room answers.
    A replica that comes or goes moves only the users who prefer it.
    """

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        if pending_request is None or not pending_request.args:
            return [candidate_replicas]
        # Without room anywhere, wait before asking again.
        pending_request.routing_context.should_backoff = True
        names = preference(
            pending_request.args[0].user, [r.replica_id.unique_id for r in candidate_replicas]
        )
        by_name = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        return [[by_name[name]] for name in names]


def preference(user: str, replicas: list[str]) -> list[str]:
    """The replicas in the user's order, the same in every process."""
    return sorted(replicas, key=lambda name: hashlib.sha256(f"{name} {user}".encode()).digest())
