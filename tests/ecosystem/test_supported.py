"""The page of supported models and tables names tests that are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "supported.rst"


def test_every_line_of_the_tables_names_a_test_that_exists():
    tables = PAGE.read_text().split("* - Family")[1].split("_versions:")[0]
    rows = re.split(r"\n   \* - ", tables)
    for row in rows[1:]:
        named = re.findall(r"``((?:\.\./(?:\w+/)+)?test_\w+\.py)(?:::(\w+))?``", row)
        if "Remarks" in row:  # the header of the second table
            continue
        assert named, row
        for file, name in named:
            text = (HERE / file).read_text()
            assert not name or re.search(rf"^(def|class) {name}\b", text, re.M), name


def test_every_test_file_of_this_folder_is_on_the_page():
    page = PAGE.read_text()
    other = {"test_progress.py", "test_supported.py"}
    files = {path.name for path in HERE.glob("test_*.py")} - other
    assert not [name for name in sorted(files) if name not in page]
