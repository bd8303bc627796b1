"""The inductive loss of a few-shot run as a loss of one prediction: what it equals, and what is refused."""

import pytest
import torch
from click.testing import CliRunner
from fewshot_helpers import WAYS, blobs, small
from torch.nn import functional

from symloss.cli.main import main
from symloss.errors import RunError
from symloss.fewshot import load, train
from symloss.fewshot.inductive import InductiveLoss, inductive_loss, looked_at, through
from symloss.fewshot.objective import LossNetwork, Objective, one_hot
from symloss.fewshot.settings import Loss
from symloss.records import Kind

SHORT = {
    "outer": {"steps": 2, "tasks": 2, "every": 2, "valid": 2, "at_once": "batched"},
    "pretraining": {"steps": 2, "batch": 8},
}


def rough(network):
    """Larger weights than training begins with, so that every part counts."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return network.double()


@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_summed_over_two_classes_it_is_what_training_adds(spread):
    """Two classes leave nothing open: what one does not have, the other has."""
    settings = Loss(inductive=True, hidden=5)
    objective = rough(Objective(settings, Kind.MULTICLASS, 2, 1, film=False))
    outputs = torch.tensor([[spread, -spread]], dtype=torch.float64) + 0.3
    targets = torch.tensor([1])
    added = objective(outputs, targets, None, None, {})
    own = functional.cross_entropy(outputs, targets)
    loss = InductiveLoss(Kind.MULTICLASS, 2, True, objective.inductive, torch.tensor(0.3), (None,) * 3)
    found = loss.per_element(outputs.softmax(1), one_hot(targets, 2, torch.float64)).sum()
    torch.testing.assert_close(found, own + added)


def test_of_values_it_is_what_training_adds():
    objective = rough(Objective(Loss(inductive=True, hidden=5), Kind.REGRESSION, 1, 1, film=False))
    outputs, targets = torch.randn(2, 6, 1, dtype=torch.float64)
    added = objective(outputs, targets, None, None, {})
    loss = InductiveLoss(Kind.REGRESSION, 1, False, objective.inductive, torch.tensor(0.0), (None,) * 3)
    torch.testing.assert_close(loss.per_element(outputs, targets).mean(), added)


@pytest.mark.parametrize("modulation", ["task", "row"])
def test_with_the_averages_of_a_task_the_network_is_that_of_the_task(modulation):
    network = rough(LossNetwork(4, Loss(hidden=5, modulation=modulation), film=True))
    rows = torch.randn(7, WAYS, 4, dtype=torch.float64)
    contexts = looked_at(network, rows)
    assert [context is None for context in contexts] == [modulation == "row"] * 3
    torch.testing.assert_close(through(network, rows, contexts).mean(), network(rows))


def test_a_run_is_looked_at_and_its_loss_has_a_slope(tmp_path):
    assert train(small("npbml", SHORT), blobs(), tmp_path / "run")
    loss = inductive_loss(load(tmp_path / "run", blobs()))
    prediction = torch.linspace(0.0, 1.0, 9, dtype=torch.float64)[:, None].requires_grad_()
    values = loss.per_element(prediction, torch.ones_like(prediction))
    assert values.shape == prediction.shape
    assert values.isfinite().all()
    (slope,) = torch.autograd.grad(values.sum(), prediction)
    assert (slope[1:-1] < 0).all()  # cross-entropy, which is kept, still rules after two meta steps


@pytest.mark.parametrize(
    ("method", "loss", "words"),
    [
        ("maml", {}, "method 'maml' learned no inductive loss"),
        ("npbml", {"rows": "whole"}, "looks at all classes at once"),
    ],
)
def test_what_has_no_such_loss_is_refused(tmp_path, method, loss, words):
    train(small(method, SHORT, **loss), blobs(), tmp_path / "run")
    with pytest.raises(RunError, match=words):
        inductive_loss(load(tmp_path / "run", blobs()))


def test_from_the_command_line_it_is_analysed_and_distilled(tmp_path):
    run = str(tmp_path / "run")
    few = "--set outer.valid=2 --set outer.tasks=2 --set pretraining.steps=0 --set loss.inductive=true"
    begin = f"fewshot train --dataset sinusoids --ways 1 --shots 5 --method maml --backbone mlp {few}"
    commands = [
        [*begin.split(), "--meta-steps", "2", "--out", run],
        ["analyze", run, "--figure", str(tmp_path / "curves.png")],
        ["distill", run, "--seconds", "2", "--size", "6"],
    ]
    shown = [CliRunner().invoke(main, command) for command in commands]
    assert [found.exit_code for found in shown] == [0, 0, 0], [found.output for found in shown]
    assert "inductive loss of maml after 2 meta steps" in shown[1].output
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert "square(p - y)" in shown[2].output  # which is kept, and hardly more yet
    other = CliRunner().invoke(main, ["show", run])
    assert other.exit_code == 1
    assert f"not a search; judge it with: symloss fewshot eval {run}" in other.output
