"""The locator finds every value that tomllib returns."""

import json
import tomllib

import pytest

from registry.importer.lines import locate

TEXT = '''\
# a comment with [brackets] and "quotes"
top = 1
[table]  # trailing
"quoted key" = "a # no comment"
a.b = [1, 2,
  3]  # three
text = """
[[not]]
= """

[[row]]
x = 1
list = [{ y = 1, z = [
    { w = "}" },
    { w = ']' } ] },
  # between
  { y = 2 }]
[row.sub]
k = 2
[[row]]
[[row.more]]
u = 1979-05-27T07:32:00Z
[[row.more]]
u = 0x1F
'''


def paths(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def test_every_path_of_tomllib_has_a_line():
    assert set(paths(tomllib.loads(TEXT))) <= set(locate(TEXT))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("table",), 3),
        (("table", "quoted key"), 4),
        (("table", "a", "b", 2), 6),
        (("table", "text"), 7),
        (("row", 0), 11),
        (("row", 0, "list", 0, "z", 1, "w"), 15),
        (("row", 0, "list", 1, "y"), 17),
        (("row", 0, "sub", "k"), 19),
        (("row", 1), 20),
        (("row", 1, "more", 1), 23),
        (("row", 1, "more", 1, "u"), 24),
    ],
    ids=str,
)
def test_the_line_is_where_a_person_looks(path, line):
    assert locate(TEXT)[path] == line


def test_windows_line_ends_count_once():
    assert locate("a = 1\r\nb = [\r\n2]\r\n")["b", 0] == 3


def test_strings_with_anything_in_them_do_not_mislead():
    nasty = ['"', "\\", "#", "]", "}", "[[x]]", "'", '"""', "a\nb", "=", ","]
    text = "".join(f"k{i} = {json.dumps(value)}\n" for i, value in enumerate(nasty))
    assert [locate(text)[f"k{i}",] for i in range(len(nasty))] == list(range(1, len(nasty) + 1))
