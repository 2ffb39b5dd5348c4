"""A new OCPPConf.xml, stored through the station's web page (the guide, step 5).

What it says about keys, sides and cables holds at once; where to connect, from the next connection on: the
guide has the installer check the page first and then press the button that connects.
"""

from typing import TYPE_CHECKING, Final

from stations.core import supply
from stations.core.configuration import read_preset
from stations.core.configure import take_effect
from stations.core.dispatch import on
from stations.core.events import Reconfigure
from stations.core.keys import AUTHORIZATION_KEY, UID, URI
from stations.errors import PlanError

if TYPE_CHECKING:
    from stations.core.station import Station

_CONNECTION: Final = (URI, UID, AUTHORIZATION_KEY)  # what the central system set yields to the file


@on(Reconfigure)
def _reconfigure(station: "Station", event: Reconfigure) -> None:
    """PlanError changes nothing: a key that cannot be, or another identity in the middle of a transaction."""
    plan, configuration = event.plan, station.configuration
    for name, text in event.keys.items():
        read_preset(configuration.personality, name, text)
    if plan.identity != station.plan.identity and (station.is_charging() or station.backlog):
        raise PlanError(
            f"UID {plan.identity}: a transaction of {station.plan.identity} is not delivered yet; "
            "mend: stop it and wait until nothing is queued"
        )
    station.plan = plan
    station.changed = True
    if event.connection:
        for key in _CONNECTION:
            configuration.put(key, key.default)
    for name, text in event.keys.items():
        take_effect(station, configuration.preset(name, text))
    if station.running:
        supply.apply(station)
        for connector in station.connectors[1:]:
            station.settle(connector)
