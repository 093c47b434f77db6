"""One process of a team: trains its part of a trial and writes what came of it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch.distributed as dist

from scaling.team import Team
from scaling.training import TrialRun
from scaling.trial import TrialConfig


def main(trial: str, meeting: str, rank: str, size: str, out: str) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=int(rank), world_size=int(size)
    )
    run = TrialRun(TrialConfig.from_dict(json.loads(Path(trial).read_text())), Team())
    run.advance(math.inf)
    result = run.finish()
    curve = [point.metrics["train_loss"] for point in result.curve]
    Path(out).write_text(json.dumps({"metrics": result.metrics, "curve": curve}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
