"""What a learned loss implies equals what it is known to imply, and figures of it can be opened."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch.nn import functional

from symloss.errors import ReportError
from symloss.losses.neural import LossNetwork, NetworkSettings
from symloss.losses.neural.adaptive import AdaptiveLoss
from symloss.report.animation import save_learned
from symloss.report.learned import _push, elementwise, moment


def test_a_loss_that_is_the_usual_one_implies_a_rate_of_one_and_no_smoothing():
    found = moment(elementwise(AdaptiveLoss(10), 10), 10, 0, 0.0)
    assert found.learning_rate == pytest.approx(1.0, abs=0.05)
    assert found.smoothing is not None
    assert found.smoothing < 0.1
    assert moment(elementwise(AdaptiveLoss(1, "regression"), 1), 1, 0, 0.0).learning_rate == pytest.approx(
        1.0, abs=0.1
    )


@pytest.mark.parametrize("classes", ["mean", "sum"])
def test_the_push_is_what_autograd_finds_through_softmax(classes):
    settings = NetworkSettings(hidden=5, classes=classes)
    network = LossNetwork("multiclass", settings, torch.Generator().manual_seed(2)).double()
    outputs = torch.tensor([[2.0, 0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(network(outputs, torch.tensor([0])), outputs)
    true = functional.softmax(outputs.detach(), dim=1)[:, 0]
    torch.testing.assert_close(_push(elementwise(network, 4), true, 4), -slope[:, 0])


def test_smoothing_is_where_the_push_ends():
    network = LossNetwork("multiclass", NetworkSettings(hidden=6), torch.Generator().manual_seed(4)).double()
    loss = elementwise(network, 5)
    found = moment(loss, 5, 0, 0.0).smoothing
    along = torch.linspace(0.2, 0.999, 500, dtype=torch.float64)
    push = _push(loss, along, 5)
    if found is None:
        assert push[0] <= 0
    elif found == 0.0:
        assert (push > 0).all()
    else:
        held = torch.tensor([1.0 - found * 4 / 5], dtype=torch.float64)
        assert abs(float(_push(loss, held, 5))) < 1e-2


def test_figures_and_animations(tmp_path):
    pytest.importorskip("matplotlib")
    networks = [LossNetwork("multiclass", generator=torch.Generator().manual_seed(i)) for i in range(3)]
    moments = [moment(elementwise(own, 10), 10, 5 * i, i / 2) for i, own in enumerate(networks)]
    for name in ("a.png", "b.gif"):
        save_learned(moments, "mine", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert getattr(image, "n_frames", 1) == (3 if name == "b.gif" else 1)
            assert image.size[0] > 300
        with pytest.raises(ReportError, match="exists already"):
            save_learned(moments, "mine", tmp_path / name)
    with pytest.raises(ReportError, match="ends in"):
        save_learned(moments, "mine", tmp_path / "c.txt")
