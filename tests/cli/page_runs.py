"""How a page's command is run in a test: on a tiny sweep, in a folder of its own; or why it isn't."""

from __future__ import annotations

from .pages import Command, climber

NETWORK = "needs the network, or files that can't be given away"
CLUSTER = "needs a cluster"
SERVER = "goes on until Ctrl-C; started by its own tests"
MINUTES = "measures for minutes; tests/analysis/test_coverage.py runs the studies small"
STARTED = "starts a service and ends replicas; tests/serving has it smaller"

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
    "bench fit --comparisons --json comparisons.json": MINUTES,
    "bench fit --coverage --json coverage.json": MINUTES,
    "bench serving --minutes 10 --clients 8": STARTED,
    "bench turbo -o figures": "is run with --json",
    "compare SWEEP --baseline A --candidate B --cost latency_ms": (
        "which tiny models lie on the frontier of latency is chance; test_compare.py has others"
    ),
    "plan shape --set widths=32,64": "its sweep is an example, which tests/test_contributing.py runs",
}
"""Commands that are held against the command line, and not run, by what follows `climber`."""

SMALL_MODEL = ("--architectures", "transformer", "--widths", "16", "--lengths", "16")
SMALL_TURBO = ("--architectures", "transformer", "--depths", "1", "--width", "16", "--length", "16")
SMALLER: dict[str, tuple[str, ...]] = {
    "bench data --events 1e8 --memory 4GB": ("--events", "3e4", "--memory", "1GB"),
    "bench reading": ("--width", "16", "--length", "16"),
    "bench sweep --small 20 --large 400": ("--small", "1", "--large", "2"),
    "bench training --architectures all --widths 64 --lengths 200 --precision fp32": (
        *SMALL_MODEL[2:],
        *("--seconds", "0.05"),
    ),
    "bench training --catalogue --widths 64 --lengths 200": (*SMALL_MODEL, "--seconds", "0.05"),
    "bench training --memory --widths 128 --lengths 1024": SMALL_MODEL,
    "bench training --widths 64,128 --lengths 256 --json speed.json": (
        *SMALL_MODEL,
        *("--seconds", "0.05"),
    ),
    "bench turbo --part serving": SMALL_TURBO,
    "bench turbo -o figures --json turbo.json": (
        *SMALL_TURBO,
        *("--items", "1,2", "--seconds", "0.05"),
    ),
    "plan SWEEP --calibrate": ("--slots", "2"),
    "rates SWEEP -o searched.json": ("--factors", "0.5,1"),
    "rates my_model.py:study -o searched.json": ("--factors", "0.5,1"),
}
"""Commands that are run with further options behind their own, so that they take seconds."""

PROGRAMS_ELSEWHERE = {
    "make": "test_pages.py holds the targets against the Makefile; `make test` is this",
    "pip": "tests/test_packaging.py installs the wheel",
    "uv": "as pip",
    ".venv/bin/pre-commit": "changes the checkout",
    "ray": CLUSTER,
    "sbatch": CLUSTER,
    "mlflow": SERVER,
    "curl": "tests/serving/test_serve_command.py asks what it asks",
    ".venv/bin/python": "test_page_examples.py runs it",
}
"""Other programs of the pages' blocks. `python` is run."""
PYTHON_ELSEWHERE = {
    "python docs/images/make_images.py FOLDER": "needs a finished sweep, chromium and playwright"
}

OTHER_PAGES = ("docs/refit-a-public-table.md", "docs/your-own-data.md", "docs/your-own-model.md")
"""The commands of their blocks build on each other: test_page_examples.py runs these from top to bottom."""

TRAINING = ("plan", "sweep", "rates")
SWEEPS = ("SWEEP", "quickstart", "learning-rates", "ablation", "request-free")
SPECS = ("my_sweeps.py:big", "my_model.py:study", "spec.json", "searched.json", "next.json")
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
    name, *rest = (*words, *SMALLER.get(" ".join(words), ()))
    sweep = "my_sweeps.py:tiny" if name in TRAINING else "tiny"
    written = (before == "-o" for before in (name, *rest))
    return (
        name,
        *(
            sweep if word in (*SWEEPS, *SPECS) and not output else word
            for word, output in zip(rest, written, strict=False)
        ),
    )
