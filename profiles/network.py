"""The quality of the line between a station and the Internet, as a fleet file gives it."""

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """The line between a station and the Internet."""

    latency_ms: Annotated[float, Meta(ge=0, le=60_000, description="added one-way delay")] = 0.0
    jitter_ms: Annotated[float, Meta(ge=0, le=60_000, description="spread of that delay")] = 0.0
    cuts_per_day: Annotated[
        float, Meta(ge=0, le=86_400, description="mean number of lost connections a day")
    ] = 0.0
    cut_s: Annotated[float, Meta(ge=0, le=604_800, description="mean length of a cut")] = 60.0
    half_open: Annotated[
        Share, Meta(description="share of the cuts in which nobody is told: the connection is half open")
    ] = 0.0
    bandwidth_kbit_s: Annotated[float, Meta(gt=0, description="bandwidth limit")] | None = None

    @property
    def slow(self) -> bool:
        """Whether a message takes longer than on a perfect line."""
        return bool(self.latency_ms or self.jitter_ms or self.bandwidth_kbit_s)
