"""The explorer: a Dash app that shows a sweep while it runs and after."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dash import (
    ALL,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    no_update,
    set_props,
)  # fmt: skip

from scaling.dashboards import explorer_layout
from scaling.dashboards.explorer_answer import DRAWN, answer, drawn
from scaling.dashboards.explorer_callbacks import Callbacks
from scaling.dashboards.explorer_choosing import Controls
from scaling.dashboards.explorer_desk import Cancelled, Desk, make_fit
from scaling.dashboards.explorer_jobs import Jobs
from scaling.dashboards.explorer_layout import SELECTS
from scaling.dashboards.explorer_showing import run_details
from scaling.dashboards.explorer_state import State as Chosen

POLL_MS = 300
"""Between two questions of a page how far a fit is."""
_MANY = [Input({"type": kind, "axis": ALL}, "value") for kind in ("values", "low", "high")]


def make_app(desk: Desk, folder: Path) -> Dash:
    """The app, to be served by `explorer_server.serve`.

    Args:
        desk: what the server knows.
        folder: for what passes between it and the processes that fit; the desk's.
    """
    app = Dash(
        "climber",
        title="Scaling explorer",
        assets_folder=str(Path(__file__).parent / "assets"),
        background_callback_manager=Jobs(folder / "jobs"),
        serve_locally=True,
        update_title=None,
        suppress_callback_exceptions=True,
    )
    app.index_string = explorer_layout.HEADLESS
    app.layout = explorer_layout.layout(desk.feed.name)
    calls = Callbacks(desk)
    _choosing(app, calls)
    _showing(app, calls)
    _fitting(app, calls, folder)
    _in_the_browser(app)
    return app


def _choosing(app: Dash, calls: Callbacks) -> None:
    def choose(
        search: str | None, form: Mapping[str, str], sweeps: Sequence[str],
        architectures: Sequence[str], revision: str | None, clicked: Any, reset: Any,
        theme: str | None, fitted: Any, values: Any, lows: Any, highs: Any,
        before: Mapping[str, Any] | None, spec: Mapping[str, Any] | None,
        order: Mapping[str, Any] | None, running: bool,
    ) -> tuple[Any, ...]:  # fmt: skip
        if fitted:
            calls.desk.done(str(fitted))
        checked, low, high = ({one["id"]["axis"]: one.get("value") for one in part}
                              for part in ctx.inputs_list[-3:])  # fmt: skip
        ranges = {axis: (str(low[axis] or ""), str(high.get(axis) or "")) for axis in low}
        controls = Controls(
            form or {}, sweeps or [], architectures or [],
            {axis: value or [] for axis, value in checked.items()}, ranges, spec or {},
        )  # fmt: skip
        # Told by values rather than by what Dash says was triggered: of two questions at a time it
        # drops the answer to the first, and with it what had triggered that.
        seen = {
            "reset": reset or 0,
            "clicked": (clicked or {}).get("timestamp"),  # the same point may be meant again
            "drawn": [theme, fitted, revision],
        }
        new = [name for name, value in seen.items() if value != (spec or {}).get(name)]
        triggered = "controls"
        if before is None:
            triggered = ""
        elif (search or "") != Chosen.from_dict(before).search():
            triggered = "url"
        elif "reset" in new:
            triggered = "reset"
        elif "clicked" in new:
            triggered = "figure"
        elif set(ctx.triggered_prop_ids) == {"revision.data"}:
            held = calls.choose(search, controls, before, "controls")
            # A choice whose answer was dropped is still in its control.
            untouched = not before.get("sweeps") or held.state.to_dict() == before
            triggered = "revision" if untouched else "controls"
        panel = calls.choose(search, controls, before, triggered, clicked)
        ordered = calls.order(panel.selected, order, bool(running))
        state = panel.state.to_dict()
        # A run that is chosen is shown beside the figure, not in it.
        stays = before is not None and {**before, "run": state["run"]} == state
        figure = (
            (no_update,) * DRAWN if stays and "drawn" not in new else drawn(calls, state, theme)
        )
        kept = triggered in ("", "revision")
        told = answer(panel, search, before, spec or {}, controls, kept, seen)
        return (*told, ordered, *figure)

    app.callback(
        Output("url", "search"),
        Output("state", "data"),
        Output("choices", "data"),
        Output("form", "data"),
        Output("sweeps", "options"),
        Output("sweeps", "value"),
        Output("architectures", "options"),
        Output("architectures", "value"),
        Output("filters", "children"),
        Output("error", "children"),
        Output("run-note", "children"),
        *(Output(name, "children") for name in (*SELECTS, "run")),
        Output("fit-order", "data"),
        Output("figure", "figure"),
        Output("figure", "style"),
        Output("figure-title", "children"),
        Output("empty", "children"),
        Output("empty", "hidden"),
        Output("notes", "children"),
        Output("verdict", "children"),
        Input("url", "search"),
        Input("form", "data"),
        Input("sweeps", "value"),
        Input("architectures", "value"),
        Input("revision", "data"),
        Input("figure", "clickData"),
        Input("reset", "n_clicks"),
        Input("theme-now", "data"),
        Input("fitted", "data"),
        *_MANY,
        State("state", "data"),
        State("choices", "data"),
        State("fit-order", "data"),
        State("fit-running", "data"),
    )(choose)

    def show_run(state: Mapping[str, Any] | None, revision: str | None) -> Any:
        if state is None:
            return no_update
        return run_details(calls.desk, calls.desk.selected(Chosen.from_dict(state)))

    app.callback(
        Output("run-details", "children"), Input("state", "data"), State("revision", "data")
    )(show_run)


def _showing(app: Dash, calls: Callbacks) -> None:
    def tell(
        state: Mapping[str, Any] | None, revision: str | None, running: bool, fitted: Any,
        cancel: int | None, order: Mapping[str, Any] | None,
    ) -> Any:  # fmt: skip
        if state is None:
            return (no_update,) * 3
        if fitted:
            calls.desk.done(str(fitted))
        words, working = calls.status(state, order, "cancel.n_clicks" in ctx.triggered_prop_ids)
        return words, not working, not working

    app.callback(
        Output("status", "children"),
        Output("working", "hidden"),
        Output("cancel", "disabled"),
        Input("state", "data"),
        Input("revision", "data"),
        Input("fit-running", "data"),
        Input("fitted", "data"),
        Input("cancel", "n_clicks"),
        State("fit-order", "data"),
    )(tell)

    def download(figure: Any, data: Any, state: Mapping[str, Any] | None) -> Any:
        if state is None or not ctx.triggered_id:
            return no_update
        make = calls.figure_file if ctx.triggered_id == "download-print" else calls.data_file
        return make(state) or no_update

    app.callback(
        Output("download", "data"),
        Input("download-print", "n_clicks"),
        Input("download-data", "n_clicks"),
        State("state", "data"),
        prevent_initial_call=True,
    )(download)


def _fitting(app: Dash, calls: Callbacks, folder: Path) -> None:
    def pulse(
        beat: Any, refit: int | None, state: Any, revision: str | None, order: Any, running: bool
    ) -> tuple[Any, Any]:
        if state is None:
            return no_update, no_update
        return calls.pulse(state, revision, order, bool(running), refit or 0)

    app.callback(
        Output("revision", "data"),
        Output("fit-order", "data", allow_duplicate=True),
        Input("pulse", "n_intervals"),
        Input("refit", "n_clicks"),
        State("state", "data"),
        State("revision", "data"),
        State("fit-order", "data"),
        State("fit-running", "data"),
        prevent_initial_call=True,
    )(pulse)

    def again(clicks: int | None) -> Any:
        calls.desk.feed.again()
        return no_update

    app.callback(
        Output("again", "n_clicks"), Input("again", "n_clicks"), prevent_initial_call=True
    )(again)

    def fit(tell: Any, order: Mapping[str, Any] | None) -> Any:
        # The terminal's Ctrl-C reaches this process, too; the server ends it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if not order:
            return no_update
        key = str(order["key"])
        try:
            seconds = make_fit(
                folder, key, lambda stage, share: tell([f"{share:.2f}", f"{stage} ..."])
            )
        except Cancelled:
            return no_update
        # Not an output: what is drawn at once would wait for it.
        set_props("fitted", {"data": key})
        return {"key": key, "seconds": seconds}

    app.callback(
        Output("fit-done", "data"),
        Input("fit-order", "data"),
        background=True,
        interval=POLL_MS,
        running=[(Output("fit-running", "data"), True, False)],
        cancel=[Input("cancel", "n_clicks")],
        progress=[Output("progress", "value"), Output("progress-words", "children")],
        progress_default=["0", ""],
        prevent_initial_call=True,
    )(fit)


def _in_the_browser(app: Dash) -> None:
    """What needs no answer from here."""

    def there(name: str, *outputs_and_inputs: Any, first: bool = True) -> None:
        app.clientside_callback(
            ClientsideFunction("explorer", name),
            *outputs_and_inputs,
            prevent_initial_call=not first,
        )

    there("theme", Output("theme-now", "data"), Output("theme", "aria-pressed"),
          Input("theme", "n_clicks"))  # fmt: skip
    there("sync", Output("form", "id"), Input("form", "data"), Input("filters", "children"))
    there("narrow", Output("panel", "id"), Input("url", "pathname"))
    there("svg", Output("download-figure", "id"), Input("download-figure", "n_clicks"), first=False)
    there("png", Output("download-png", "id"), Input("download-png", "n_clicks"), first=False)
