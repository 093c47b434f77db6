"""How a page's command is run in a test: on a tiny sweep, in a folder of its own; or why it isn't."""

from __future__ import annotations

from .pages import Command, climber

NETWORK = "needs the network, or files that can't be given away"
CLUSTER = "needs a cluster"
SERVER = "goes on until Ctrl-C; started by its own tests"
MINUTES = "measures for minutes; its own tests run it small"

PARSED_ONLY = {
    "sweep movielens": NETWORK,
    "sweep kuairand": NETWORK,
    "sweep ablation-movielens --set budgets=2e11": NETWORK,
    "sweep baselines": NETWORK,
    "table baselines": NETWORK,
    "plan data-fractions --set user_fractions=0.1,0.3,1": NETWORK,
    "data fetch movielens-1m": NETWORK,
    "data prepare movielens-20m --from ml-20m": NETWORK,
    "data describe movielens-20m --set path=ml-20m": NETWORK,
    "data describe kuairand -o figures": NETWORK,
    "data describe movielens-1m --set split=leave_last": NETWORK,
    "bench padding movielens-1m": NETWORK,
    "bench training --against-recbole": NETWORK,
    "sweep SWEEP --address auto": CLUSTER,
    "sweep SWEEP --address HOST:6379": CLUSTER,
    "sweep quickstart --address auto": CLUSTER,
    "sweep quickstart --address auto --tracking-uri http://MLFLOW:5000": CLUSTER,
    "serve RUN_ID": SERVER,
    "serve RUN_ID --replicas 2 --cache-bytes 4GB --port 9000": SERVER,
    "dashboard": SERVER,
    "dashboard quickstart": SERVER,
    "dashboard --runs runs.csv": SERVER,
    "dashboard quickstart --port 0 --mlflow-url http://127.0.0.1:5000": SERVER,
    "bench data --events 1e8 --memory 4GB": MINUTES,
    "bench fit --comparisons --json comparisons.json": MINUTES,
    "bench fit --coverage --json coverage.json": MINUTES,
    "bench reading": MINUTES,
    "bench serving --minutes 10 --clients 8": MINUTES,
    "bench sweep --small 20 --large 400": MINUTES,
    "bench training --architectures all --widths 64 --lengths 200 --precision fp32": MINUTES,
    "bench training --catalogue --widths 64 --lengths 200": MINUTES,
    "bench training --memory --widths 128 --lengths 1024": MINUTES,
    "bench training --widths 64,128 --lengths 256 --json speed.json": MINUTES,
    "bench turbo --part serving": MINUTES,
    "bench turbo -o figures": MINUTES,
    "bench turbo -o figures --json turbo.json": MINUTES,
    "plan SWEEP --calibrate": MINUTES,
    "rates SWEEP -o searched.json": MINUTES,
    "compare SWEEP --baseline A --candidate B --cost latency_ms": (
        "which tiny models lie on the frontier of latency is chance; test_compare.py has others"
    ),
    "plan shape --set widths=32,64": "its sweep is an example, which tests/test_contributing.py runs",
}
"""Commands that are held against the command line, and not run, by what follows `climber`."""

OTHER_PAGES = ("docs/refit-a-public-table.md", "docs/your-own-data.md", "docs/your-own-model.md")
"""Their commands build on each other: test_page_examples.py runs these pages from top to bottom."""

TRAINING = ("plan", "sweep", "rates")
SWEEPS = ("SWEEP", "quickstart", "learning-rates", "ablation", "request-free")
SPECS = ("my_sweeps.py:big", "spec.json", "searched.json")
REFUSED = ("isoflop tiny", "isoflop --runs runs.csv --budget 1e21 -o plots --json isoflop.json")
"""What ends with code 1 on the tiny sweep: two sizes of a budget have no minimum."""


STUDY = {
    "plan", "sweep", "status", "runs", "fit", "trust", "next", "isoflop", "compare", "plot", "report",
}  # fmt: skip
"""The commands of a study; every one of them is run."""

NAMES = STUDY | {
    "table", "rates", "data", "bench", "training", "turbo", "describe", "prepare", "fetch",
}  # fmt: skip


def is_named(command: Command) -> bool:
    """Whether a sentence only names the command, without what it takes."""
    words = climber(command) or ()
    rest = [word for word in words if not word.startswith("-")]
    alone = all(word in NAMES for word in rest)
    return command.inline and (alone or "..." in words)


def tiny(words: tuple[str, ...]) -> tuple[str, ...]:
    """The same command for the sweep `my_sweeps.py:tiny`, in whose folder runs.csv lies.

    A sweep that is planned or trained is the file's, and one that is analysed the logged one.
    """
    name, *rest = words
    sweep = "my_sweeps.py:tiny" if name in TRAINING else "tiny"
    return (name, *(sweep if word in (*SWEEPS, *SPECS) else word for word in rest))
