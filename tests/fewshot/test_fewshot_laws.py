"""What holds of every method: without its parts it is MAML, gradients are right, classes have no order."""

import pytest
import torch
from fewshot_helpers import WAYS, encoded, learner_of, small, started, tasks_of
from torch.nn import functional

from symloss.fewshot.backbones import normalised
from symloss.fewshot.gradient import errors_of, meta_gradient
from symloss.fewshot.objective import Objective, one_hot, smooth_leaky_relu, weight_statistics
from symloss.fewshot.settings import METHODS
from symloss.records import Kind

VARIANTS = {
    **{name: {} for name in METHODS},
    "npbml, whole rows": {"loss": {"rows": "whole"}},
    "npbml, joint statistics": {"network": {"statistics": "joint"}},
    "npbml, by row": {"loss": {"modulation": "row"}},
    "npbml, nothing frozen": {"network": {"frozen": 0}},
    "npbml, resnet12": {"network": {"backbone": "resnet12"}},
}
QUICK = [name for name in VARIANTS if "resnet" not in name]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """A ResNet-12 that is tested quickly."""
    monkeypatch.setattr("symloss.fewshot.backbones.RESNET12", (2, 3, 3, 4))


def made(name, jitter=0.0):
    learner = learner_of(small(name.split(",")[0], VARIANTS[name]))
    meta, frozen = started(learner, jitter)
    return learner, meta, encoded(learner, frozen, tasks_of())


def convolutions(weights, x):
    """Conv4 written again, from its parameters."""
    for i in range(4):
        x = functional.conv2d(x, weights[f"start.blocks.{i}.unit.map.weight"], padding=1)
        scale, shift = (weights[f"start.blocks.{i}.unit.{n}"] for n in ("scale", "shift"))
        x = (x - x.mean((0, 2, 3), keepdim=True)) / torch.sqrt(
            x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5
        )
        x = functional.max_pool2d(torch.relu(x * scale[:, None, None] + shift[:, None, None]), 2)
    return x.mean((2, 3)) @ weights["start.head.weight"].T + weights["start.head.bias"]


def maml(meta, tasks, rate, steps, first_order=False):
    """Model-agnostic meta-learning as its paper has it (Finn et al., 2017), by create_graph."""
    leaves = {n: v.clone().requires_grad_() for n, v in meta.items()}
    losses = []
    for i in range(len(tasks["support_x"])):
        weights = dict(leaves)
        for _ in range(steps):
            loss = functional.cross_entropy(
                convolutions(weights, tasks["support_x"][i]), tasks["support_y"][i]
            )
            slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=not first_order)
            weights = {n: w - rate * g for (n, w), g in zip(weights.items(), slopes, strict=True)}
        losses.append(
            functional.cross_entropy(convolutions(weights, tasks["query_x"][i]), tasks["query_y"][i])
        )
    loss = torch.stack(losses).mean()
    return loss.item(), dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


OFF = {
    "network": {"frozen": 0, "warp": False, "film": False, "head": "plain"},
    "loss": {"inductive": False, "transductive": False, "regulariser": False},
    "inner": {"momentum": 0.0, "decay": 0.0},
}


@pytest.mark.parametrize(("method", "order"), [("maml", 2), ("npbml", 2), ("fomaml", 1)])
def test_with_the_learned_parts_off_it_is_maml(method, order):
    learner = learner_of(small(method, OFF))
    meta, _ = started(learner)
    tasks = tasks_of()
    loss, gradient = meta_gradient(learner, meta, tasks, True, False)
    expected_loss, expected = maml(meta, tasks, 0.1, 2, first_order=order == 1)
    assert loss == pytest.approx(expected_loss, abs=1e-12)
    assert gradient.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-7, atol=1e-9)


def test_meta_sgd_with_all_rates_equal_is_maml():
    plain, learned = (learner_of(small(m, {"inner": {"steps": 2}})) for m in ("maml", "meta-sgd"))
    (meta, _), (more, _) = started(plain), started(learned)
    tasks = tasks_of()
    loss, gradient = meta_gradient(plain, meta, tasks, True, False)
    same_loss, same = meta_gradient(learned, more, tasks, True, False)
    assert same_loss == pytest.approx(loss, abs=1e-7)  # rates are given in float32
    for name, value in gradient.items():
        torch.testing.assert_close(same[name], value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [n for n in QUICK if n != "fomaml"])
def test_the_meta_gradient_is_that_of_finite_differences(name):
    learner, meta, tasks = made(name, jitter=0.05)
    _, gradient = meta_gradient(learner, meta, tasks, True, False)
    for group in sorted({key.split(".")[0] for key in meta}):
        generator = torch.Generator().manual_seed(1)
        way = {
            n: torch.randn(v.shape, generator=generator, dtype=torch.float64) * n.startswith(group)
            for n, v in meta.items()
        }
        ahead, behind = (
            meta_gradient(learner, {n: v + s * 1e-6 * way[n] for n, v in meta.items()}, tasks, True, True)[0]
            for s in (1, -1)
        )
        slope = sum((gradient[n] * way[n]).sum().item() for n in meta)
        assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-4, abs=1e-7), group


@pytest.mark.parametrize("name", [n for n in QUICK if n != "metal"])
def test_everything_that_is_learned_receives_a_gradient(name):
    learner, meta, tasks = made(name)
    _, gradient = meta_gradient(learner, meta, tasks, True, False)
    assert [n for n, v in gradient.items() if not v.abs().max() > 0] == []


def test_everything_in_metal_that_can_matter_receives_a_gradient():
    """What is added to a loss without regard to the outputs, its last bias, pushes nothing."""
    learner, meta, tasks = made("metal", jitter=0.1)
    _, gradient = meta_gradient(learner, meta, tasks, True, False)
    still = [n for n, v in gradient.items() if not v.abs().max() > 0]
    assert [n for n in still if not n.endswith("last.bias")] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_tasks_together_are_tasks_one_after_another_and_recomputing_changes_nothing(name):
    learner, meta, tasks = made(name)
    loss, gradient = meta_gradient(learner, meta, tasks, True, False)
    others = [(False, False), (True, True)] if name in QUICK else [(True, True)]
    for batched, recompute in others:
        same_loss, same = meta_gradient(learner, meta, tasks, batched, recompute)
        assert same_loss == pytest.approx(loss, abs=1e-10)
        for key, value in gradient.items():
            torch.testing.assert_close(same[key], value, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        errors_of(learner, meta, tasks, True), errors_of(learner, meta, tasks, False), rtol=0, atol=0
    )


def relabelled(tasks, order):
    """The same episodes with the classes numbered otherwise."""
    found = {}
    for name, value in tasks.items():
        labels = name.endswith("_y")  # they say 0, 0, .., 1, 1, .. again
        moved = value if labels else value.unflatten(1, (WAYS, -1))[:, order].flatten(1, 2)
        found[name] = moved[:, :, order] if name == "scores" else moved
    return found


@pytest.mark.parametrize("name", ["npbml", "npbml, joint statistics", "npbml, by row", "npbml, whole rows"])
def test_relabelling_the_classes_changes_nothing_but_with_whole_rows(name):
    learner = learner_of(small("npbml", VARIANTS[name], {"inner": {"rate": 0.5}}))
    meta, frozen = started(learner, jitter=0.3)
    tasks = tasks_of(shots=2)
    outcomes = []
    for version in (tasks, relabelled(tasks, [2, 0, 1])):
        ready = encoded(learner, frozen, version)
        loss, gradient = meta_gradient(learner, meta, ready, True, False)
        outcomes.append((loss, gradient["start.head.weight"], errors_of(learner, meta, ready, True)))
    (loss, cone, errors), (same_loss, same_cone, same_errors) = outcomes
    same = abs(loss - same_loss) < 1e-9 and torch.allclose(cone, same_cone, atol=1e-8)
    assert same is ("whole" not in name)
    if same:
        assert torch.equal(errors, same_errors)


def objective_of(**parts):
    settings = small("npbml", **parts).loss
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Objective(settings, Kind.MULTICLASS, WAYS, tensors=2, film=True).double()


def test_the_transductive_part_has_a_network_of_its_own():
    objective = objective_of(regulariser=False)
    task = {n: v[0] for n, v in tasks_of().items()}
    outputs = torch.randn(3, WAYS, dtype=torch.float64), torch.randn(6, WAYS, dtype=torch.float64)

    def loss():
        return objective(outputs[0], task["support_y"], outputs[1], task["scores"], {}).item()

    def inductive():
        rows = objective.rows(outputs[0], one_hot(task["support_y"], WAYS, torch.float64), task["support_y"])
        return objective.inductive(rows).item()

    before = loss() - inductive()
    with torch.no_grad():
        for parameter in objective.inductive.parameters():
            parameter.add_(1)
    assert loss() - inductive() == pytest.approx(before)
    with torch.no_grad():
        for parameter in objective.transductive.parameters():
            parameter.add_(1)
    assert loss() - inductive() != pytest.approx(before)


def test_l1_is_l1():
    weights = {"b": torch.randn(4, 3, dtype=torch.float64), "a": torch.zeros(2, dtype=torch.float64)}
    found = weight_statistics(weights)
    w = weights["b"]
    expected = [w.mean(), w.std(correction=0), w.norm(p=1) / 12, w.norm(p=2) / 12**0.5]
    torch.testing.assert_close(found[4:], torch.stack(expected), rtol=1e-5, atol=1e-6)
    assert found[6] != pytest.approx(found[7].item())


def test_the_smooth_leaky_relu_has_its_leak_and_its_slope():
    x = torch.tensor([-50.0, 50.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(smooth_leaky_relu(x).sum(), x)
    torch.testing.assert_close(slope, torch.tensor([0.25, 1.0], dtype=torch.float64))


def test_normalisation_is_torchs():
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    scale, shift = torch.randn(2, 3, dtype=torch.float64)
    found = normalised(x, scale, shift)
    expected = functional.batch_norm(x, None, None, scale, shift, training=True)
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(normalised(x, scale, shift), expected.detach())
        torch.testing.assert_close(  # of a single number, which torch refuses
            normalised(x[:1, :, :1, :1], scale, shift), shift.reshape(1, 3, 1, 1)
        )
    weights = torch.randn_like(found)
    slopes = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*slopes)


def test_warp_layers_start_as_the_identity_before_normalisation():
    learner = learner_of(small("warpgrad"))
    x = torch.randn(4, 3, 5, 5)
    warp = learner.backbone.warps["0"]
    torch.testing.assert_close(warp.map(x), x)
    assert warp(x).mean((0, 2, 3)).abs().max() < 1e-5


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("method", ["maml", "npbml"])
def test_bfloat16_points_where_single_precision_does(method, batched):
    found = {}
    for precision in ("float32", "bfloat16"):
        changes = {"outer": {"precision": precision}, "network": {"filters": 16}, "inner": {"rate": 0.01}}
        learner = learner_of(small(method, changes))
        meta, frozen = started(learner, 0.0)
        tasks = encoded(learner, frozen, tasks_of())
        meta, tasks = (
            {n: v.float() if v.is_floating_point() else v for n, v in own.items()} for own in (meta, tasks)
        )
        _, slopes = meta_gradient(learner, meta, tasks, batched, recompute=False)
        found[precision] = torch.cat([slopes[n].flatten() for n in sorted(slopes)])
    single, half = found["float32"], found["bfloat16"]
    assert not torch.equal(single, half)
    assert functional.cosine_similarity(single, half, 0) > 0.99
