"""Locust as its users know it (C5): one user is one station. A locustfile imports `StationUser` from here."""

from engine.bridge.session import StationUser

__all__ = ["StationUser"]
