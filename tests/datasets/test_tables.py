"""A damaged text table is refused by file, line and column."""

from __future__ import annotations

import pytest

from scaling.datasets.tables import Kind, read_table

COLUMNS: dict[str, Kind] = {"a": "int", "b": "str"}


def test_wanted_columns_are_read_in_any_order() -> None:
    table = read_table(b'b,c,a\n"x, y",1.5,7\nNA,,8\n', "f", COLUMNS, separator=",", quoting=True)
    assert table["a"].tolist() == [7, 8]
    assert table["b"].tolist() == ["x, y", "NA"]
    bare = read_table(b'1\t"x\n', "f", COLUMNS, separator="\t", names=["a", "b"])
    assert bare["b"].tolist() == ['"x']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "f has no column 'a'; it holds nothing"),
        (b"b,c\nx,1\n", "f has no column 'a'; it holds b, c"),
        (b"a,b\n", "f holds no rows; it may be truncated"),
        (b"a,b,c\n1,x,2\n3,y", "f, line 3 is cut off: it holds 2 of 3 columns"),
        (b"a,b,c\n1,x,2\n3", "f, line 3 is cut off: it holds 1 of 3 columns"),
        (b"a,b\n1,x,2\n", "f, line 2 is too long: it holds 3 of 2 columns"),
        (b"a,b\n1,x\n2,y,9\n", "f, line 3 is too long"),
        (b"a,b\n1,x\n2.5,y\n", "f, line 3, column 'a': '2.5' is not a whole number"),
        (b"a,b\n,x\n", "f, line 2, column 'a': '' is not a whole number"),
        (b"a,b\n99999999999999999999,x\n", "line 2, column 'a': '9+' is not"),
        (b"a,b\n1,x\n2,y\xffz\n", "f, line 3, column 'b': byte 0xff is not UTF-8"),
        (b"a,b\n1,x\n\xc3,y\n", "f, line 3, column 'a': byte 0xc3 is not UTF-8"),
        (b"a,b\n1,x\n2,y\xc3", "f, line 3, column 'b': byte 0xc3 is not UTF-8"),
        (b"a,c,b\n1,\xff,x\n2,z,\x80\n", "f, line 3, column 'b': byte 0x80 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(text, "f", COLUMNS, separator=",", quoting=True)
