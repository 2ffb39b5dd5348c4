"""What a meter sees. It is compiled (deploy/compile.py); the protocol of vehicles is not."""

from typing import final


@final
class Reading:
    """What the meter sees at one moment; tuples are per phase L1, L2, L3 (zeros on unused phases).

    Physics agrees across the fields (MV-9): power_w = voltage_v · current_a · power factor.
    """

    __slots__ = ("current_a", "energy_wh", "power_w", "reactive_var", "voltage_v")

    def __init__(
        self,
        voltage_v: tuple[float, float, float],
        current_a: tuple[float, float, float],
        power_w: tuple[float, float, float],
        reactive_var: tuple[float, float, float],
        energy_wh: float,
    ) -> None:
        self.voltage_v = voltage_v
        self.current_a = current_a
        self.power_w = power_w
        self.reactive_var = reactive_var
        self.energy_wh = energy_wh  # active energy drawn since this vehicle was plugged in; never decreases

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Reading
            and self.voltage_v == other.voltage_v
            and self.current_a == other.current_a
            and self.power_w == other.power_w
            and self.reactive_var == other.reactive_var
            and self.energy_wh == other.energy_wh
        )

    __hash__ = None  # type: ignore[assignment] # as a Struct's
