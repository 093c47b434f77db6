"""Taobao and Amazon: hand-computed events of small files in their formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scaling.batch import View
from scaling.batch_check import check_batch
from scaling.datasets.amazon import AmazonConfig
from scaling.datasets.taobao import BEGIN, BEHAVIOURS, TaobaoConfig

PV, CART, FAV, BUY = range(4)


def test_taobao_keeps_the_nine_days(prepared: Any) -> None:
    found = prepared("taobao")
    assert found.events == [
        (1, 2268318, 1511544070, PV, "all"),
        (1, 2333346, 1511561733, PV, "all"),
        (1, 2333346, 1511561733, CART, "all"),
        (100, 2268318, 1512316799, FAV, "all"),
        (1000004, 5, 1511539200, BUY, "all"),
    ]
    assert found.facts["rows"] == 7
    assert found.facts["outside_period"] == found.facts["removed"]["outside_period"] == 2
    assert found.log.schema.behaviours == ("pv", "cart", "fav", "buy")
    assert found.log.schema.action_labels[CART] == (0, 1, 0, 0)


def test_taobao_gives_an_item_the_category_of_its_first_row(prepared: Any) -> None:
    found = prepared("taobao")
    assert {item: row["category"] for item, row in found.items.items()} == {
        2268318: 2520377,
        2333346: 2520771,
        5: 8,  # its first row is outside of the nine days
    }
    anywhere = prepared("taobao", period="any")
    assert anywhere.items[5]["category"] == 7
    assert anywhere.facts["further_categories_of_items"] == 2
    assert anywhere.events[3] == (100, 5, -2134949234, PV, "all")
    assert anywhere.log.num_events == 7


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"1,2,3,view,1511544070", "line 8, column 'behaviour': 'view' is not valid; valid: pv,"),
        (b"-1,2,3,pv,1511544070", "line 8, column 'user': '-1' is not valid; valid: 0 or more"),
        (b"1,2,pv,1511544070", "line 8 is cut off: it holds 4 of 5 columns"),
        (b"1,2,3,pv,1.5e9", "line 8, column 'time': '1.5e9' is not a whole number"),
    ],
)
def test_taobao_names_a_bad_row(prepared: Any, examples: Any, row: bytes, message: str) -> None:
    files = {"UserBehavior.csv": examples[0].files["UserBehavior.csv"] + row + b"\n"}
    with pytest.raises(ValueError, match=rf"UserBehavior\.csv, {message}"):
        prepared("taobao", files)


def test_a_prepared_source_opens_as_a_data_set(tmp_path: Path) -> None:
    rows = [
        f"{user},{(user * 7 + step) % 50},1,{BEHAVIOURS[step % 4]},{BEGIN + step * 6000 + user}\n"
        for user in range(1, 21)
        for step in range(100)
    ]
    (tmp_path / "UserBehavior.csv").write_text("".join(rows))
    dataset = TaobaoConfig(path=str(tmp_path), max_gap_seconds=None).open()
    views = (View(strategy="buy", length=5),)
    examples = 0
    for split in ("validation", "test"):
        for batch in dataset.requests(split, views, batch_size=64):
            check_batch(batch, dataset.schema, views)
            examples += int(batch.candidates.mask.sum())
    assert examples == 400  # the last fifth of 2000 events
    assert dataset.schema.label_rates == pytest.approx((0.25, 0.25, 0.25, 0.25))
    assert dataset.describe()["licence"] == TaobaoConfig.terms()


def test_amazon_2014_has_the_user_first(prepared: Any) -> None:
    found = prepared("amazon", edition="2014 ratings")
    assert found.events == [
        ("A2IIIDRK3PRRZY", "0000000116", 1395619200, 1, "all"),
        ("AH2L9G3DQHHAJ", "0000000116", 1019865600, 4, "all"),
        ("AH2L9G3DQHHAJ", "0000013714", 1019865600, 5, "all"),
        ("AH2L9G3DQHHAJ", "0000000868", 1031702400, 4, "all"),
    ]
    assert found.log.schema.action_labels == ((0,), (0,), (0,), (0,), (1,), (1,))


def test_amazon_2018_has_the_item_first_and_repeats(prepared: Any) -> None:
    found = prepared("amazon", edition="2018 ratings")
    assert found.events == [
        ("A1C6M8LCIX4M6M", "0001713353", 1123804800, 5, "all"),
        ("A1REUF3A1YCPHM", "0001713353", 1112140800, 0, "all"),
        ("A1REUF3A1YCPHM", "0001061240", 1112140800, 3, "all"),
    ]
    assert found.facts["duplicates_removed"] == 1
    assert found.facts["without_stars"] == 1


def test_amazon_2018_reviews_are_json_lines(prepared: Any) -> None:
    found = prepared("amazon", edition="2018 reviews")
    assert found.events == [
        ("A1REUF3A1YCPHM", "0001713353", 1112140800, 5, "all"),
        ("AVP0HXC9FG790", "0001713353", 1123804800, 2, "all"),
    ]


def test_amazon_2023_counts_milliseconds_and_parents(prepared: Any) -> None:
    assert prepared("amazon", edition="2023 ratings").events == [
        ("AFKZENTNBQ7A7V7UXW5JJI6UGRYQ", "B0BGNG1294", 1392062400, 5, "all"),
        ("AFKZENTNBQ7A7V7UXW5JJI6UGRYQ", "B07DQ4Y8CP", 1588687728, 2, "all"),
        ("AGKASBHYZPGTEPO6LWZPVJWB2BVA", "B07DQ4Y8CP", 1589665266, 4, "all"),
    ]
    assert prepared("amazon", edition="2023 reviews").events == [
        ("AFKZENTNBQ7A7V7UXW5JJI6UGRYQ", "B09BGPFTDB", 1642399598, 1, "all"),
        ("AGKASBHYZPGTEPO6LWZPVJWB2BVA", "1640492677", 1589665266, 4, "all"),
    ]


def test_an_edition_that_is_not_in_the_file_is_refused(prepared: Any, examples: Any) -> None:
    old, new = (
        next(iter(e.files.values()))
        for edition in ("2018 ratings", "2023 ratings")
        for e in examples
        if e.options.get("edition") == edition
    )
    with pytest.raises(
        ValueError, match=r"Books\.csv has no column 'user_id'; it holds 0001713353"
    ):
        prepared("amazon", {"Books.csv": old}, edition="2023 ratings")
    with pytest.raises(
        ValueError, match=r"Books\.csv, line 1, column 'rating': 'rating' is not a n"
    ):
        prepared("amazon", {"Books.csv": new}, edition="2018 ratings")
    seconds = new.replace(b"1392062400000", b"1392062400")
    with pytest.raises(ValueError, match=r"line 2, column 'timestamp': .* valid: milliseconds"):
        prepared("amazon", {"Books.csv": seconds}, edition="2023 ratings")


def test_unknown_options_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"taobao\.period must be one of nine days, any"):
        TaobaoConfig(period="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"amazon\.edition must be one of 2014 ratings, 2018"):
        AmazonConfig(edition="2015")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"amazon\.category .*such as Books, got 'a/b'"):
        AmazonConfig(category="a/b")


def test_a_category_is_part_of_the_file_name(prepared: Any, examples: Any) -> None:
    content = next(e.files["ratings_Books.csv"] for e in examples if "ratings_Books.csv" in e.files)
    found = prepared(
        "amazon", {"ratings_Baby.csv": content}, edition="2014 ratings", category="Baby"
    )
    assert found.log.num_events == 4
    assert "ratings_Baby.csv" in found.facts["source"]
