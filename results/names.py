"""Strings that repeat, as small numbers. Bounded: a peer may invent names without end."""

from typing import Final

OTHER: Final = "(other)"
LONGEST: Final = 100  # characters; a longer name is cut


class Names(dict[str, int]):
    """`names[text]` is the code of `text`, given out on first sight; `listed[code]` is the text.

    One thread gives codes out; any thread may read `listed`, which only grows.
    """

    def __init__(self, limit: int, *known: str) -> None:
        super().__init__()
        self.listed: list[str] = []
        self._limit = limit
        for name in known:
            self.__missing__(name)

    def __missing__(self, name: str) -> int:
        if len(name) > LONGEST:
            return self[name[:LONGEST]]
        if len(self.listed) >= self._limit - 1 and name != OTHER:
            return self[OTHER]
        # str() frees the table from enum members, whose pickled and printed forms differ.
        plain = str(name)
        self.listed.append(plain)
        self[plain] = code = len(self.listed) - 1
        return code
