"""Named deadlines of one station: set, drop, earliest. A station owns one small dict and no timer."""

from enum import IntEnum
from math import inf
from typing import Final


class Alarm(IntEnum):
    """What may be due. With a connector it belongs to that side; the order settles ties."""

    RESTART = 1  # the station has rebooted (RE-2)
    GIVE_UP_WAITING = 2  # a soft reset stops waiting for StopTransaction.conf (RE-1)
    RESET = 22  # an attempt to reset has failed (RE-4)
    LEAVE = 20  # the connection is given up for another one, after an answer (SEC-3)
    RECONNECT = 3  # next connection attempt (WS-3)
    PING = 4  # WebSocket ping (WS-5)
    CALL = 5  # our outstanding CALL times out (RPC-4)
    BOOT = 6  # next BootNotification (BOOT-5, BOOT-8)
    RETRY = 7  # the head of the transaction queue may be sent again
    PACE = 21  # the next message that waited for the link may be sent
    VEHICLE = 8  # the vehicle starts or stops drawing
    LIMIT = 9  # a charging profile changes its limit (SC-12)
    CAP = 19  # a refused transaction may have used up its energy (TX-3)
    SAMPLE = 10  # MeterValueSampleInterval (MV-1)
    CLOCK_ALIGNED = 11  # ClockAlignedDataInterval (MV-2)
    CONNECTION = 12  # ConnectionTimeOut (ST-4)
    STATUS = 13  # MinimumStatusDuration (ST-6)
    HEARTBEAT = 14  # HB-1
    RESERVATION = 15  # a reservation expires (RN-3)
    FIRMWARE = 16  # next step of a firmware update (UF-1, UF-2)
    DIAGNOSTICS = 17  # next step of a diagnostics upload (GD-1)
    FLOOD = 18  # an opt-in product fault repeats itself


_SIDES: Final = 16  # more than any Green'Up has connectors
_NO_KEY: Final = -1


def keys_of(*alarms: Alarm) -> tuple[int, ...]:
    """For `Alarms.any_of`."""
    return tuple(alarm * _SIDES for alarm in alarms)


class Alarms:
    """One station's deadlines on the edge's clock; `earliest` is +inf when there is none."""

    __slots__ = ("_at", "earliest")

    def __init__(self) -> None:
        self._at: dict[int, float] = {}
        self.earliest = inf

    def set(self, alarm: Alarm, at: float, connector: int = 0) -> None:
        """(Re-)arm `alarm` for `at`."""
        key = alarm * _SIDES + connector
        alarms = self._at
        if at <= self.earliest:
            self.earliest = at
            alarms[key] = at
            return
        before = alarms.get(key)
        alarms[key] = at
        if before == self.earliest:
            self.earliest = min(alarms.values())

    def drop(self, alarm: Alarm, connector: int = 0) -> None:
        """Forget `alarm`; nothing happens if it is not set."""
        before = self._at.pop(alarm * _SIDES + connector, None)
        if before == self.earliest:
            self.earliest = min(self._at.values(), default=inf)

    def at(self, alarm: Alarm, connector: int = 0) -> float | None:
        """When `alarm` is due, None if it is not set."""
        return self._at.get(alarm * _SIDES + connector)

    def any_of(self, keys: tuple[int, ...]) -> bool:
        """Whether one of `keys_of(...)` is set."""
        alarms = self._at
        for key in keys:  # noqa: SIM110 — `any` makes a generator of it
            if key in alarms:
                return True
        return False

    def clear(self) -> None:
        """Forget everything: a restart."""
        self._at.clear()
        self.earliest = inf

    def take(self) -> tuple[int, int, float]:
        """Remove and return the earliest alarm: (alarm, connector, when it is due). There must be one."""
        at, key = self.earliest, _NO_KEY
        following = inf
        for other, moment in self._at.items():
            if moment > at:
                following = min(following, moment)
            elif key == _NO_KEY:
                key = other
            else:  # at one moment: the first of the list
                key, following = min(key, other), at
        del self._at[key]
        self.earliest = following
        return key // _SIDES, key % _SIDES, at
