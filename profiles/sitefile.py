"""The site file: what was measured at a kind of place, as figures. Units are in the names."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Steady(Struct, frozen=True, tag_field="kind", tag="steady", forbid_unknown_fields=True):
    """Cars one after the other at every connector, at any hour: for demonstrations and plain load."""

    title: str
    gap_s: Annotated[Positive, Meta(description="mean time for which a connector stays free")]
    stay_s: Annotated[tuple[Positive, Positive], Meta(description="shortest and longest stay")]
    current_a: Annotated[
        tuple[Positive, Positive], Meta(description="lowest and highest current per phase that cars take")
    ]
    full: Annotated[Share, Meta(description="share of cars that are full before they leave")] = 0.3


class Gaussians(Struct, frozen=True, forbid_unknown_fields=True):
    """A mixture of Gaussians, component by component."""

    weight: list[Share]
    mean: list[list[float]]
    covariance: list[list[list[float]]]


class DayOfClass(Struct, frozen=True, forbid_unknown_fields=True):
    """One power class on weekdays or at weekends.

    `charging`: (hour after 04:00, ln dwell in h) of cars unplugged while they charge;
    `finished`: (hour, ln dwell, logit of the share of the dwell spent charging) of the others.
    """

    share: Share  # of the class's sessions that fall on such days
    unplugged: Share  # of these, unplugged while charging
    charging: Gaussians | None = None
    finished: Gaussians | None = None


class PowerClass(Struct, frozen=True, forbid_unknown_fields=True):
    """Sessions of about the same power."""

    name: str
    share: Share
    level_kw: Annotated[
        list[Positive], Meta(description="quantiles of the power, equally spaced from 0 to 1")
    ]
    weekday: DayOfClass | None = None
    weekend: DayOfClass | None = None
    fill_unplugged: Annotated[list[Share], Meta(description="quantiles of mean over peak power")] = []
    fill_finished: Annotated[list[Share], Meta(description="the same for cars that finish")] = []


class PowerTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Power where only energies were measured: class by energy, level and loss by class."""

    energy_bins_kwh: list[Positive]
    level_kw: list[Positive]
    spread: list[Positive]  # standard deviation of ln(power) within a class
    share: list[list[Share]]  # one row per energy bin, one column per class
    loss_beta: list[tuple[Positive, Positive]]  # of 1 - mean over peak power, per class


class DwellCorrection(Struct, frozen=True, forbid_unknown_fields=True):
    """What the mixture gets wrong about the stays of some hours: its quantiles and the measured ones."""

    from_hour: float  # after 04:00
    to_hour: float
    mixture_h: Annotated[list[Positive], Meta(min_length=2)]
    measured_h: Annotated[list[Positive], Meta(min_length=2)]


class PowerCorrection(Struct, frozen=True, forbid_unknown_fields=True):
    """The same for mean power over the stay, where there are no power classes."""

    mixture_kw: Annotated[list[Positive], Meta(min_length=2)]
    measured_kw: Annotated[list[Positive], Meta(min_length=2)]


class Measured(Struct, frozen=True, tag_field="kind", tag="measured", forbid_unknown_fields=True):
    """A measured place: daily counts, and a joint law of hour, dwell and energy."""

    title: str
    stations: Annotated[int, Meta(ge=1, description="stations that drivers choose between")]
    connectors: Annotated[int, Meta(ge=1, le=2, description="connectors per station, as measured")]
    per_connector_day: Annotated[Positive, Meta(description="sessions per connector and day, mean of a week")]
    day_shares: Annotated[list[Share], Meta(min_length=7, max_length=7, description="Monday to Sunday")]
    energy_max_kwh: Positive
    popularity: Annotated[float, Meta(ge=0, description="spread of ln(popularity) between stations")] = 0.0
    failed: Annotated[Share, Meta(description="attempts without energy, per session")] = 0.0
    patience_min: Annotated[float, Meta(ge=0, description="longest wait for a free connector")] = 0.0
    dispersion_shape: (
        Annotated[Positive, Meta(description="of the Gamma day factor; absent: no factor")] | None
    ) = None
    level: Literal["mean", "peak"] = (
        "mean"  # what `classes.level_kw` is: mean while charging, or 15-minute peak
    )
    classes: list[PowerClass] = []
    weekday: Gaussians | None = (
        None  # of (hour after 04:00, ln dwell in h, ln energy in kWh), without classes
    )
    weekend: Gaussians | None = None
    power: PowerTable | None = None
    dwell_corrections: list[DwellCorrection] = []
    power_correction: PowerCorrection | None = None
    power_max_kw: Positive = 22.0
    tariff_start: (
        Annotated[Clock, Meta(description="cars wait for this local time when they arrive before")] | None
    ) = None
    tariff_end: (
        Annotated[Clock, Meta(description="and do not wait when they arrive between the two")] | None
    ) = None
    leave_when_full: Annotated[
        Share, Meta(description="drivers who make room soon after the car is full")
    ] = 0.0


class Variant(Struct, frozen=True, tag_field="kind", tag="variant", forbid_unknown_fields=True):
    """Another place of the same habits: a ready site with some figures changed."""

    title: str
    of: Annotated[str, Meta(description="name of the measured site")]
    stations: Annotated[int, Meta(ge=1)] | None = None
    connectors: Annotated[int, Meta(ge=1, le=2)] | None = None
    per_connector_day: Positive | None = None
    patience_min: Annotated[float, Meta(ge=0)] | None = None
    tariff_start: Clock | None = None
    tariff_end: Clock | None = None
    leave_when_full: Share | None = None


SiteFile: TypeAlias = Steady | Measured | Variant
