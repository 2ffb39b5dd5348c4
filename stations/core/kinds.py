"""What an event and an effect are: all that the Structs of `events` and the classes of `traffic` share.

Not compiled with `traffic`: compiled code would not take a Struct for one of its own classes' children.
"""


class Event:
    """Something that happened to the station."""

    __slots__ = ()


class Effect:
    """Something the edge must do, or a fact it must write down."""

    __slots__ = ()
