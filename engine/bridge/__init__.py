"""Locust as its users know it (C5): one user is one station. A locustfile imports `StationUser` from here."""

from engine.bridge.session import StationUser
from engine.scenario import ask, scenario

__all__ = ["StationUser", "ask", "scenario"]
