from pathlib import Path

import pyarrow as pa

from results.schema import TABLES
from results.schema_page import render_schema

ROOT = Path(__file__).parents[2]


def test_the_page_is_printed_from_the_schema():
    page = ROOT / "docs" / "results-schema.md"
    assert page.read_text() == render_schema(), "python -m results.schema_page > docs/results-schema.md"


def test_every_number_that_travels_has_a_unit():
    for table in TABLES.values():
        for column in table.columns:
            if column.name.endswith(("_us", "_wh", "_bytes", "_percent")):
                assert column.unit, f"{table.name}.{column.name}"
            assert column.meaning, f"{table.name}.{column.name}"


def test_table_and_column_names_are_plain():
    for name, table in TABLES.items():
        assert name == table.name
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names)
        assert isinstance(table.schema({"a": "b"}), pa.Schema)
        assert table.schema({"a": "b"}).metadata == {b"a": b"b"}
