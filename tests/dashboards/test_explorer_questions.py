"""What the page asks by Dash's protocol: several things that change at a time are one question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scaling.dashboards.explorer import make_app
from scaling.dashboards.explorer_desk import Desk


class Asker:
    """Asks what a choice leads to, as a page does that holds what it was told."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        app = make_app(desk, folder)
        self.client = app.server.test_client()
        self.output = next(one for one in app.callback_map if "..url.search" in one)
        self.callback = app.callback_map[self.output]
        self.held: dict[str, Any] = {}

    def _values(self, kind: str) -> list[Any]:
        # The boxes and fields of filters are not built here: none is checked or typed into.
        return [
            []
            if one["id"].startswith("{")
            else {**one, "value": self.held.get(f"{one['id']}.{one['property']}")}
            for one in self.callback[kind]
        ]

    def ask(self, changes: Mapping[str, Any]) -> None:
        """A question that these changes led to; what its answer says is held from now on."""
        self.held.update(changes)
        outputs = [one.rpartition(".") for one in self.output.strip(".").split("...")]
        answer = self.client.post(
            "/_dash-update-component",
            json={
                "output": self.output,
                "outputs": [{"id": name, "property": key} for name, _, key in outputs],
                "inputs": self._values("inputs"),
                "state": self._values("state"),
                "changedPropIds": list(changes),
            },
        )
        assert answer.status_code == 200, answer.text
        for name, values in answer.json["response"].items():
            self.held.update({f"{name}.{key}": value for key, value in values.items()})


def click(run: str, at: int) -> dict[str, Any]:
    """What Dash tells of a click on a run, at a time in ms."""
    return {"points": [{"customdata": [run]}], "timestamp": at}


@pytest.fixture
def asker(desk: Desk, tmp_path: Path) -> Asker:
    made = Asker(desk, tmp_path)
    made.ask({"url.search": "", "theme-now.data": "light"})
    return made


@pytest.mark.parametrize("besides", [{}, {"revision.data": "another"}, {"fitted.data": None}])
def test_a_click_is_heard_whatever_else_is_asked_with_it(
    asker: Asker, besides: dict[str, Any]
) -> None:
    first, second = f"{1:032x}", f"{2:032x}"
    asker.ask({"figure.clickData": click(first, 1000)})
    assert asker.held["state.data"]["run"] == first
    asker.ask({"form.data": {**asker.held["form.data"], "run": second}})
    assert asker.held["state.data"]["run"] == second
    asker.ask({"figure.clickData": click(first, 2000), **besides})  # the same point once more
    assert asker.held["state.data"]["run"] == first
    assert asker.held["form.data"]["run"] == first


def test_a_click_that_was_answered_is_not_heard_again(asker: Asker) -> None:
    first, second = f"{1:032x}", f"{2:032x}"
    asker.ask({"figure.clickData": click(first, 1000)})
    asker.ask({"form.data": {**asker.held["form.data"], "run": second}})
    asker.ask({"revision.data": "another"})
    assert asker.held["state.data"]["run"] == second
