"""A car whose arithmetic can be done by hand."""

from stations.core.reading import Reading

MINIMUM_A = 6.0  # IEC 61851: below this nothing flows
VOLTAGE_V = 230.0


class SteadyCar:
    """Draws what is offered up to `amps` per phase, until `capacity_wh` are in."""

    def __init__(self, amps=16.0, phases=3, capacity_wh=1e9):
        self.amps = amps
        self.phases = phases
        self.capacity_wh = capacity_wh
        self.energy_wh = 0.0
        self._limit_a = 0.0
        self._paused = False
        self._at = None

    @property
    def _power_w(self):
        flowing = self._limit_a >= MINIMUM_A and not self._paused and self.energy_wh < self.capacity_wh
        return min(self._limit_a, self.amps) * VOLTAGE_V * self.phases if flowing else 0.0

    def _advance(self, now):
        if self._at is not None:
            assert now >= self._at - 1e-9, "a vehicle's time never goes back"
            self.energy_wh = min(self.capacity_wh, self.energy_wh + self._power_w * (now - self._at) / 3600)
        self._at = now

    def offer(self, now, limit_a):
        self._advance(now)
        self._limit_a = limit_a

    def pause(self, now, *, paused):
        self._advance(now)
        self._paused = paused

    def drawing(self, now):
        self._advance(now)
        return self._power_w > 0

    def next_change(self, now):
        self._advance(now)
        if self._power_w == 0:
            return None
        return now + max(1e-3, (self.capacity_wh - self.energy_wh) / self._power_w * 3600)

    def reading(self, now):
        self._advance(now)
        used = [1.0 if phase < self.phases else 0.0 for phase in range(3)]
        amps = min(self._limit_a, self.amps) if self._power_w else 0.0
        return Reading(
            voltage_v=tuple(VOLTAGE_V * one for one in used),
            current_a=tuple(amps * one for one in used),
            power_w=tuple(amps * VOLTAGE_V * one for one in used),
            reactive_var=(0.0, 0.0, 0.0),
            energy_wh=self.energy_wh,
        )
