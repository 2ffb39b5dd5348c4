"""Other people's XML, read safely: no entities, DTD, network or huge trees; every complaint has a place.

lxml tells lines; columns and the start of a tag are found in the text itself, which is possible because a
well-formed document without DTD has its tags in document order.
"""

import re
from typing import Final, NoReturn

from lxml import etree

from stations.errors import PlanError

LARGEST_BYTES: Final = 256 * 1024

# Everything that may hide a "<" comes first; the group catches the name of a start tag.
_MARKUP: Final = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<([^\s<>/!?]+)(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*>", re.DOTALL
)


class XmlFile:
    """One document, read; `where` names it in messages."""

    __slots__ = ("_data", "_places", "tree", "where")

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        if len(data) > LARGEST_BYTES:
            raise PlanError(f"{where}: larger than {LARGEST_BYTES // 1024} KiB; mend: is it the right file?")
        self.tree = self._parsed(data)
        self._data = data
        self._places: list[tuple[int, int]] | None = None
        if self.tree.docinfo.internalDTD is not None:
            self._refuse_doctype()

    @property
    def encoding(self) -> str:
        """The encoding the document declares, or UTF-8."""
        return self.tree.docinfo.encoding or "UTF-8"

    def place(self, index: int) -> str:
        """`FILE, line L, column C` of the element number `index` in document order."""
        if self._places is None:
            text = self._text()
            self._places = [_place(text, found.start()) for found in _MARKUP.finditer(text) if found[1]]
        if index >= len(self._places):  # an encoding that Python cannot read: no better place than the file
            return f"{self.where}, line 1, column 1"
        line, column = self._places[index]
        return f"{self.where}, line {line}, column {column}"

    def _parsed(self, data: bytes) -> "etree._ElementTree":
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
        )
        try:
            return etree.ElementTree(etree.fromstring(data, parser))
        except etree.XMLSyntaxError as error:
            line, column = error.position
            raise PlanError(
                f"{self.where}, line {max(line, 1)}, column {max(column, 1)}: not well-formed XML:"
                f" {_reason(error)}; mend: correct the markup there"
            ) from None

    def _refuse_doctype(self) -> NoReturn:
        text = self._text()
        line, column = _place(text, max(text.find("<!DOCTYPE"), 0))
        raise PlanError(
            f"{self.where}, line {line}, column {column}: a document type is not allowed;"
            " mend: remove the DOCTYPE and write values instead of entities"
        )

    def _text(self) -> str:
        try:
            text = self._data.decode(self.encoding, errors="replace")
        except LookupError:  # libxml2 knows encodings that Python does not; tags are ASCII in most of them
            text = self._data.decode("latin-1")
        text = text.removeprefix("\ufeff")
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    start = text.rfind("\n", 0, offset)
    return text.count("\n", 0, offset) + 1, offset - start


def _reason(error: etree.XMLSyntaxError) -> str:
    """The parser's sentence on one line, without the position that it repeats at its end."""
    return " ".join(str(error.msg).partition(", line ")[0].split())
