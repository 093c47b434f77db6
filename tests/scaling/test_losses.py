"""The rank loss: which pairs count, where its gradient points, and what stays as it was."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from scaling.batch import Batch, Candidates, Context
from scaling.datasets.synthetic import SyntheticConfig
from scaling.losses import grades, rank_loss, training_loss
from scaling.models.transformer import TransformerConfig
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

RATES = (0.5, 0.1, 0.3)


def batch_of(labels: Tensor, mask: Tensor | None = None) -> Batch:
    b, m, _ = labels.shape
    whole = torch.zeros(b, dtype=torch.int64)
    mask = torch.ones(b, m, dtype=torch.bool) if mask is None else mask
    return Batch(
        history=(),
        context=Context(whole, whole, whole[:, None]),
        candidates=Candidates(torch.zeros(b, m, dtype=torch.int64), mask),
        labels=labels * mask[..., None],
        users=whole,
        requests=whole,
        distinct_events=whole,
    )


def random_case(seed: int = 0) -> tuple[Tensor, Batch]:
    g = torch.Generator().manual_seed(seed)
    mask = torch.arange(5) < torch.tensor([5, 3, 1, 4])[:, None]
    batch = batch_of(torch.randint(2, (4, 5, 3), generator=g).float(), mask)
    return torch.randn(4, 5, 3, generator=g), batch


def test_grades_are_the_place_of_the_rarest_positive_behaviour() -> None:
    labels = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]])
    assert grades(labels, RATES).tolist() == [0, 1, 2, 3, 3]
    assert grades(labels, ()).tolist() == [0, 1, 3, 3, 2]
    assert grades(labels, (0.2, 0.2, 0.2)).tolist() == grades(labels, ()).tolist()


def test_value_is_the_mean_over_pairs_of_unlike_grade() -> None:
    logits, batch = random_case()
    utility, grade = logits.sum(-1), grades(batch.labels, RATES)
    wanted = [
        math.log1p(math.exp(-float(utility[b, i] - utility[b, j])))
        for b, n in enumerate(batch.num_candidates())
        for i in range(n)
        for j in range(n)
        if grade[b, i] > grade[b, j]
    ]
    assert float(rank_loss(logits, batch, RATES)) == pytest.approx(sum(wanted) / len(wanted))


def test_gradient_raises_the_more_engaged_candidate() -> None:
    labels = torch.tensor([[[1.0, 1, 0], [1, 0, 0], [0, 0, 0]]])
    logits = torch.zeros(1, 3, 3, requires_grad=True)
    rank_loss(logits, batch_of(labels), RATES).backward()
    assert logits.grad is not None
    best, middle, worst = logits.grad[0, :, 0].tolist()
    assert best < middle < worst
    assert best < 0 < worst
    assert best + middle + worst == pytest.approx(0)


def test_without_pairs_it_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.randn(2, 3, 3, requires_grad=True)
    for labels in (torch.ones(2, 3, 3), torch.zeros(2, 3, 3)):
        loss = rank_loss(logits, batch_of(labels), RATES)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.item() == 0
        assert not gradient.any()


def test_padding_and_requests_without_pairs_do_not_count() -> None:
    logits, batch = random_case()
    moved = logits + 100 * (~batch.candidates.mask).float()[..., None]
    assert float(rank_loss(moved, batch, RATES)) == float(rank_loss(logits, batch, RATES))
    more = batch_of(torch.cat([batch.labels, torch.ones(1, 5, 3)]),
                    torch.cat([batch.candidates.mask, torch.ones(1, 5).bool()]))  # fmt: skip
    assert float(rank_loss(torch.cat([logits, torch.randn(1, 5, 3)]), more, RATES)) == (
        pytest.approx(float(rank_loss(logits, batch, RATES)))
    )


def test_order_of_candidates_does_not_matter() -> None:
    logits, batch = random_case()
    order = torch.randperm(5, generator=torch.Generator().manual_seed(1))
    shuffled = dataclasses.replace(
        batch,
        labels=batch.labels[:, order],
        candidates=Candidates(batch.candidates.items, batch.candidates.mask[:, order]),
    )
    assert float(rank_loss(logits[:, order], shuffled, RATES)) == pytest.approx(
        float(rank_loss(logits, batch, RATES))
    )


def trial(rank: float) -> TrialConfig:
    return TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(
            batch_size=8, lr=3e-3, embedding_lr=0.1, lr_rule="given", rank_loss=rank
        ),
        budget=1e8,
        seed=0,
    )


def first_loss(run: TrialRun) -> float:
    """The training loss of the first step, before anything was learned from it."""
    run._step(next(run._batches))
    return run._window.close()


def test_the_curve_shows_the_log_loss_alone() -> None:
    plain, ranked, steered = TrialRun(trial(0.0)), TrialRun(trial(10.0)), TrialRun(trial(0.0))
    pushed: list[nn.Parameter] = []

    def push() -> Tensor:
        pushed[:] = [next(steered._ranker.parameters())]
        return 1e3 * pushed[0].square().sum()

    steered._ranker.auxiliary_loss = push  # type: ignore[method-assign]
    losses = [first_loss(run) for run in (plain, ranked, steered)]
    assert losses[0] == losses[1] == losses[2]
    batch = next(plain._batches)
    assert not torch.equal(plain._ranker(batch), ranked._ranker(batch)), "another objective"
    assert not torch.equal(plain._ranker(batch), steered._ranker(batch))
    assert pushed


def test_a_run_that_ranks_stays_finite_and_learns_an_order() -> None:
    run = TrialRun(trial(1.0))
    while not run.done:
        run.advance(60)
    metrics = run.finish().metrics
    assert metrics["auc"] > 0.5
    assert math.isfinite(metrics["loss"])


def test_log_loss_is_over_real_candidates() -> None:
    logits, batch = random_case()
    moved = logits + 100 * (~batch.candidates.mask).float()[..., None]
    assert float(training_loss(moved, batch)) == float(training_loss(logits, batch))
