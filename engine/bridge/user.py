"""One Locust user is one station (C5), and costs no greenlet.

Locust runs each user in a greenlet of its own, 11 KB for a station that only waits. The station lives in the
loop thread; what Locust needs is something that it can count, list and stop. `StationUser` is that thing
itself: it stands in Locust's group of user greenlets and answers the few questions asked of a member there
(`args`, `name`, `rawlink`, `unlink`, `kill`, `join`, `ready`), and it leaves the group when its station has.
"""

from collections.abc import Callable
from typing import Any

from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING


class StationUser(User):
    """A charging station as Locust counts it. A locustfile's class derives from it and sets nothing else."""

    abstract = True
    index = -1  # the station it stands for, -1 while it waits for one; see engine.bridge.worker

    def __init__(self, environment: Any) -> None:
        # Locust's own __init__ makes fields for tasks and pacing, which a station never has.
        self.environment = environment
        self._state: str | None = None
        self._group: Any = None
        self._links: list[Callable[[Any], None]] | None = None

    def start(self, group: Any) -> "StationUser":
        """Locust spawns the user: it counts from now on, and its station boots at the spawn rate."""
        self._state = LOCUST_STATE_RUNNING
        self._group = group
        group.add(self)
        self.environment.stations.wanted(self)
        return self

    def stop(self, force: bool = False) -> bool:
        """Locust stops the user. Its station ends its transactions and closes the link either way.

        With a --stop-timeout the user counts until that is done; without one (`force`) it leaves at once,
        and the end of the test waits for the station instead.
        """
        stopping, self._state = self._state == LOCUST_STATE_STOPPING, LOCUST_STATE_STOPPING
        if not stopping:
            self.environment.stations.unwanted(self)
        if force:
            self.ended()
        return force

    def ended(self) -> None:
        """The station is gone: leave every group that counts this user."""
        links, self._links = self._links or [], None
        if self._group is not None:
            self._group.discard(self)
        for link in links:
            link(self)

    @task
    def charge(self) -> None:
        """What Locust lists as the user's task; it insists on one. The station runs by itself."""

    # What Locust and gevent ask of a member of `Runner.user_greenlets`.

    @property
    def args(self) -> tuple["StationUser"]:
        """The user behind the greenlet: itself."""
        return (self,)

    @property
    def greenlet(self) -> "StationUser":
        """The member that stands for this user: itself."""
        return self

    @property
    def name(self) -> str:
        """For Locust's debug log."""
        return f"station {self.index}"

    def ready(self) -> bool:
        """Whether it has left."""
        return self._group is None or self not in self._group

    def rawlink(self, callback: Callable[[Any], None]) -> None:
        """`callback(self)` when it ends. The group it lives in is known anyway and costs nothing here."""
        if getattr(callback, "__self__", None) is not self._group:
            self._links = [*(self._links or ()), callback]

    def unlink(self, callback: Callable[[Any], None]) -> None:
        """Forget `callback`."""
        self._links = [link for link in self._links or () if link != callback]

    def kill(self, *_exception: object, **_options: object) -> None:
        """The stop timeout is over: the link drops, the user leaves."""
        self.environment.stations.cut_off(self)
        self.ended()

    def join(self, _timeout: float | None = None) -> None:
        """Nothing to wait for: `kill` has ended it."""
