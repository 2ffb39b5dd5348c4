"""The pool of badges: id tags, parents, and which of them the central system should refuse."""

from typing import Final

from msgspec import Struct

from profiles import tomlfile
from profiles.fleetfile import Tags
from stations.core.streams import stream
from stations.errors import PlanError

ACCEPTED: Final = "Accepted"
EXPIRED: Final = "Expired"
BLOCKED: Final = "Blocked"
UNKNOWN: Final = ""  # not in the central system's list at all


class Tag(Struct, frozen=True):
    """One badge. `status` is what the central system should hold; '' means it must not know the badge."""

    id_tag: str
    status: str
    parent_id_tag: str | None = None


class TagPool:
    """The badges of a fleet by number, 0 and up."""

    def __init__(self, tags: Tags, where: str) -> None:
        """`where` names the fleet file in messages."""
        self._tags = tags
        for key, pattern in (("pattern", tags.pattern), ("group_pattern", tags.group_pattern)):
            made = [tomlfile.made(pattern, number, f"{where}, $.tags.{key}") for number in (1, tags.size)]
            if max(map(len, made)) > 20:
                raise PlanError(
                    f"{where}, $.tags.{key}: {made[-1]} is too long; mend: at most 20 characters (AUTH-10)"
                )
            if made[0] == made[-1] and key == "pattern" and tags.size > 1:
                raise PlanError(
                    f"{where}, $.tags.pattern: all badges would be {made[0]}; mend: put {{number}} in it"
                )
        if tags.unknown + tags.expired + tags.blocked > 1.0:
            raise PlanError(f"{where}, $.tags: the shares of refused badges exceed 1; mend: lower them")

    def id_tag(self, number: int) -> str:
        """What the reader reads from badge `number`."""
        return self._tags.pattern.format(number=number + 1)

    def tag(self, number: int, seed: int) -> Tag:
        """Badge `number` as the central system should know it."""
        tags = self._tags
        left = stream(seed, str(number), "badge").random()
        status = ACCEPTED
        for share, name in ((tags.unknown, UNKNOWN), (tags.expired, EXPIRED), (tags.blocked, BLOCKED)):
            left -= share
            if left < 0.0:
                status = name
                break
        parent = None
        if tags.group_size > 1:
            parent = tags.group_pattern.format(number=number // tags.group_size + 1)
        return Tag(self.id_tag(number), status, parent)

    def all(self, seed: int) -> list[Tag]:
        """Every badge."""
        return [self.tag(number, seed) for number in range(self._tags.size)]
