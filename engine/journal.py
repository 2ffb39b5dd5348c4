"""Facts of stations and links become rows of the run folder: the only place that converts their times.

Stations speak in core seconds; rows hold real microseconds (C6, C9). A call's three durations add up to its
response time: queue (the central system's), own lag (ours), service.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from engine.clock import Clock
from results.recorder import Recorder
from stations.core import events as ev


@mypyc_attr(allow_interpreted_subclasses=True)
class Journal:
    """Writes one worker's rows. `now` and every other time argument is core seconds."""

    __slots__ = ("_clock", "_recorder")

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        self._clock: Final = clock
        self._recorder: Final = recorder

    def call(self, station: int, effect: ev.CallEnded) -> None:
        """One of our CALLs is over."""
        call, done, free = effect.call, effect.done, effect.call.free
        sent = call.sent or done
        clock = self._clock
        us = clock.us_per_s
        self._recorder.call(
            station,
            call.connector,
            call.action,
            "out",
            effect.outcome,
            effect.error,
            int(done * us + clock.unix_us_at_zero),
            int((free - call.due) * us),
            int((sent - free) * us),
            int((done - sent) * us),
            call.bytes_out,
            effect.bytes_in,
            call.transaction,
            call.offline,
        )

    def command(self, station: int, effect: ev.CommandAnswered, now: float) -> None:
        """A CALL of the central system was answered."""
        self._recorder.call(
            station,
            0,
            effect.action,
            "in",
            "ok" if effect.ok else "callerror",
            effect.result,
            self._clock.unix_us(now),
            0,
            0,
            int((now - effect.received) * self._clock.us_per_s),
            effect.bytes_out,
            effect.bytes_in,
            0,
            False,
        )

    def transaction(self, station: int, effect: ev.TransactionChanged, now: float) -> None:
        """A line of the ledger."""
        self._recorder.transaction(
            station,
            at_us=self._clock.unix_us(now),
            sequence=effect.sequence,
            state=effect.state,
            connector=effect.connector,
            id_tag=effect.id_tag,
            transaction_id=effect.transaction_id,
            meter_start_wh=effect.meter_start_wh,
            started_us=round(effect.started_s * 1e6),
            meter_stop_wh=effect.meter_stop_wh,
            stopped_us=None if effect.stopped_s is None else round(effect.stopped_s * 1e6),
            reason=effect.reason,
            offline=effect.offline,
            authorization=effect.authorization,
        )

    def opened(self, station: int, now: float, since: float) -> None:
        """A WebSocket is open; the attempt began at `since`."""
        self._recorder.connection(
            station, self._clock.unix_us(now), "opened", connect_us=self._us(now - since)
        )

    def accepted(self, station: int, now: float, since: float) -> None:
        """BootNotification was accepted; the link has been open since `since`."""
        duration_us = self._us(now - since)
        self._recorder.connection(station, self._clock.unix_us(now), "accepted", duration_us=duration_us)

    def refused(self, station: int, now: float, since: float, kind: str, detail: str) -> None:
        """An attempt failed that began at `since`; `kind` says why."""
        connect_us = self._us(now - since)
        self._recorder.connection(station, self._clock.unix_us(now), kind, detail, connect_us=connect_us)

    def ended(
        self, station: int, now: float, since: float, code: int | None, reason: str, *, ours: bool
    ) -> None:
        """The link that was open since `since` is gone: by hardship of ours, closed, or it just died."""
        self._recorder.connection(
            station,
            self._clock.unix_us(now),
            "cut" if ours else "lost" if code is None else "closed",
            reason,
            duration_us=self._us(now - since),
            close_code=code,
        )

    def hardship(self, station: int, now: float, verb: str, *, begins: bool) -> None:
        """Hardship of ours strikes a station, or is over."""
        kind = "hardship" if begins else "calm"
        self._recorder.connection(station, self._clock.unix_us(now), kind, verb)

    def finding(self, station: int, effect: ev.Finding, now: float) -> None:
        """The central system broke a rule."""
        self._recorder.finding(station, effect.rule, effect.detail, effect.frame, self._clock.unix_us(now))

    def _us(self, core_s: float) -> int:
        return int(core_s * self._clock.us_per_s)
