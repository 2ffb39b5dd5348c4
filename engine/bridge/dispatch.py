"""How many stations each worker runs: Locust's dispatcher, except that nobody is torn down for the absent.

Locust recomputes the whole distribution from zero whenever a worker leaves or joins: survivors lose stations
that somebody else then starts, and a minute after a loss every survivor is taken down to one step and ramped
again. Here a change of workers keeps what runs where it runs; only what is missing is started, at the spawn
rate. Locust's own ramp, rate and class weights are untouched.
"""

from collections.abc import Iterator
from typing import Any

from locust.dispatch import UsersDispatcher


class TellingDispatcher(UsersDispatcher):
    """Locust's own, for the only process: it tells the spawn rate."""

    @property
    def spawn_rate(self) -> float:
        """Stations per second, all workers together; 0 before the first dispatch."""
        return float(self._spawn_rate)


class SeededDispatcher(TellingDispatcher):
    """A dispatcher that starts from the users that are running, not from none."""

    def __init__(self, worker_nodes: list[Any], user_classes: list[Any]) -> None:
        self._users_on_workers: dict[str, dict[str, int]] = {}
        self._worker_nodes: list[Any] = []
        super().__init__(worker_nodes, user_classes)
        self._absent: dict[str, dict[str, int]] = {}  # last known counts of workers that went missing
        self._seed({node.id: node.user_classes_count for node in worker_nodes})

    def add_worker(self, worker_node: Any) -> None:
        """A worker joins with nothing, returns with what it had, or is announced twice."""
        known = self._users_on_workers.get(worker_node.id, {})
        running = {**self._users_on_workers, worker_node.id: self._absent.pop(worker_node.id, known)}
        self._worker_nodes = [node for node in self._worker_nodes if node.id != worker_node.id]
        super().add_worker(worker_node)
        self._seed(running)

    def remove_worker(self, worker_node: Any) -> None:
        """A worker is gone: its users are missing, everybody else's stay."""
        self._absent[worker_node.id] = self._users_on_workers.get(worker_node.id, {})
        super().remove_worker(worker_node)
        if self._worker_nodes:
            self._seed(self._users_on_workers)
        else:
            self._target_user_count = self._current_user_count  # nobody is left to be given anything

    def _prepare_rebalance(self) -> None:
        """Locust asks for a distribution from zero here; the callers seed ours instead."""

    def _seed(self, running: dict[str, dict[str, int]]) -> None:
        names = [user_class.__name__ for user_class in self._original_user_classes]
        self._users_on_workers = {
            node.id: {name: running.get(node.id, {}).get(name, 0) for name in names}
            for node in self._worker_nodes
        }
        self._current_user_count = self.get_current_user_count()
        self._active_users = list(_fullest_last(self._worker_nodes, self._users_on_workers))
        self._worker_node_generator = self._emptiest_first()
        self._try_dispatch_fixed = True

    def _emptiest_first(self) -> Iterator[Any]:
        """Who gets the next user: the workers with the fewest, so that a newcomer fills up first."""
        while True:
            loads = {node.id: sum(self._users_on_workers[node.id].values()) for node in self._worker_nodes}
            lowest, *higher = sorted(set(loads.values()))
            emptiest = [node for node in self._worker_nodes if loads[node.id] == lowest]
            for _ in range(higher[0] - lowest if higher else 1):
                yield from emptiest


def _fullest_last(nodes: list[Any], users: dict[str, dict[str, int]]) -> Iterator[tuple[Any, str]]:
    """Running users in the order they could have been started; Locust stops from the end."""
    names = {
        node.id: [name for name, count in users[node.id].items() for _ in range(count)] for node in nodes
    }
    for level in range(max(map(len, names.values()), default=0)):
        for node in nodes:
            if level < len(names[node.id]):
                yield node, names[node.id][level]
