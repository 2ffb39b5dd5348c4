"""XML to Structs and back by a table: which tag is which field, and how its text reads and writes.

A tag that the table does not know is set aside with a warning before the schema sees the document, and stays
where it was when the document is written again; so do comments. An empty element says nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from lxml import etree
from msgspec import Struct

from stations.errors import PlanError
from stations.xmlfile import XmlFile

_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"

_MOST_WARNINGS: Final = 50


class Leaf(NamedTuple):
    """How the text of one element is read and written, and what a person should have written.

    `read` raises ValueError for what the schema lets through and is wrong all the same.
    """

    expects: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    keeps_spaces: bool = False
    secret: bool = False


# Struct type -> tag -> (field, how); a Struct type as `how` is an element with elements inside.
Row: TypeAlias = tuple[str, "Leaf | type[Struct]"]
Table: TypeAlias = Mapping[type[Struct], Mapping[str, Row]]


class Reading:
    """A document checked against a schema and read into Structs; `warnings` has one line each, bounded."""

    __slots__ = ("_file", "_kind", "_numbered", "_table", "values", "warnings")

    def __init__(
        self, file: XmlFile, schema: etree.XMLSchema, table: Table, kind: type[Struct], root: str
    ) -> None:
        self._file, self._table, self._kind = file, table, kind
        self.warnings: list[str] = []
        copy = deepcopy(file.tree)
        # The proxies are held because lxml makes a new one for an element that nobody holds.
        self._numbered = {element: number for number, element in enumerate(copy.iter("*"))}
        top = next(iter(self._numbered))
        if top.tag != root:
            mend = "remove its namespace" if _name(top) == root else f"it is {root}"
            raise PlanError(f"{file.place(0)}: the root element is {top.tag}; mend: {mend}")
        self._strip(top, kind)
        if not schema.validate(top):
            self._complain(_first_bad(schema, top))
        self.values = self._read(top, kind)

    def _strip(self, element: etree._Element, kind: type[Struct]) -> None:
        """Take out of the copy what the schema is not meant to see: the unknown and the empty."""
        self._strip_attributes(element)
        for child in list(element.iterchildren("*")):
            how = self._table[kind].get(str(child.tag), ("", None))[1]
            if how is None:
                self._warn(child, f"unknown element {_name(child)} is kept and means nothing")
                self._remove(child, element)
            elif not isinstance(how, Leaf):
                self._strip(child, how)
            else:
                self._strip_attributes(child)
                if is_empty(child, how):
                    self._remove(child, element)

    def _strip_attributes(self, element: etree._Element) -> None:
        for attribute in list(element.attrib):
            if not str(attribute).startswith(_XSI):
                self._warn(
                    element, f"unknown attribute {attribute!s} of {_name(element)} is kept, means nothing"
                )
            del element.attrib[attribute]

    def _remove(self, child: etree._Element, parent: etree._Element) -> None:
        if (child.tail or "").strip():
            self._complain(parent)  # text that the schema would have found, were it not for the child
        parent.remove(child)

    def _warn(self, element: etree._Element, sentence: str) -> None:
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(f"{self._place(element)}: {sentence}")

    def _place(self, element: etree._Element) -> str:
        return self._file.place(self._numbered[element])

    def _read(self, element: etree._Element, kind: type[Struct]) -> Any:
        fields = {}
        for child in element.iterchildren("*"):
            field, how = self._table[kind][str(child.tag)]
            fields[field] = self._value(child, how) if isinstance(how, Leaf) else self._read(child, how)
        return kind(**fields)

    def _value(self, element: etree._Element, how: Leaf) -> Any:
        try:
            return how.read(text_of(element))
        except ValueError:
            self._complain(element)

    def _complain(self, element: etree._Element) -> NoReturn:
        """One line in our words: the schema's own would quote values, and a value may be a secret."""
        name, how = _name(element), self._how(element)
        twice = any(sibling.tag == element.tag for sibling in element.itersiblings("*", preceding=True))
        if twice:
            problem, mend = f"{name} is here twice", "keep one"
        elif isinstance(how, Leaf):
            problem, mend = f"the value of {name} is not allowed", f"write {how.expects}"
        else:
            problem, mend = f"text between the elements of {name}", "remove it or make it a comment"
        raise PlanError(f"{self._place(element)}: {problem}; mend: {mend}")

    def _how(self, element: etree._Element) -> Leaf | type[Struct]:
        parent = element.getparent()
        if parent is None:
            return self._kind
        owner = self._how(parent)
        assert not isinstance(owner, Leaf), "the schema knows no element inside a value"
        return self._table[owner][str(element.tag)][1]


def shown(values: Struct, table: Table, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each value that is set, as (`Parent/Tag`, text); secrets are only said to be set."""
    for tag, (field, how) in table[type(values)].items():
        value = getattr(values, field)
        if not isinstance(how, Leaf):
            yield from shown(value, table, f"{prefix}{tag}/")
        elif value is not None:
            yield prefix + tag, "•••" if how.secret else how.write(value)


def fill(element: etree._Element, values: Struct, table: Table, depth: int = 1) -> None:
    """Bring the known elements inside `element` to `values`, touching only what differs."""
    for tag, (field, how) in table[type(values)].items():
        value = getattr(values, field)
        child = element.find(tag)
        if isinstance(how, Leaf):
            said = None if child is None or is_empty(child, how) else how.read(text_of(child))
            if value == said:
                continue
            child = _added(element, tag, depth) if child is None else child
            _set_text(child, "" if value is None else how.write(value))
        elif child is not None or value != how():
            fill(_added(element, tag, depth) if child is None else child, value, table, depth + 1)


def text_of(element: etree._Element) -> str:
    """The characters of an element; comments inside do not count, as in validation."""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def is_empty(element: etree._Element, how: Leaf) -> bool:
    """Whether an element says nothing; spaces are something where spaces count."""
    text = text_of(element)
    return not (text if how.keeps_spaces else text.strip()) and next(element.iterchildren("*"), None) is None


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _first_bad(schema: etree.XMLSchema, top: etree._Element) -> etree._Element:
    """The element of the first error."""
    log: Any = schema.error_log  # the type stubs know neither its items nor their path
    tree: Any = top.getroottree()
    found: list[etree._Element] = tree.xpath(log[0].path)
    return found[0]


def _set_text(element: etree._Element, text: str) -> None:
    for child in element:
        child.tail = None
    try:
        element.text = text or None
    except ValueError:
        raise PlanError(
            f"{_name(element)}: has a character that XML cannot hold; mend: leave it out"
        ) from None


def _added(parent: etree._Element, tag: str, depth: int) -> etree._Element:
    """A new last child, indented like its neighbours."""
    before = "\n" + "  " * depth
    if len(parent):
        parent[-1].tail = before
    else:
        parent.text = before
    child = etree.SubElement(parent, tag)
    child.tail = "\n" + "  " * (depth - 1)
    return child
