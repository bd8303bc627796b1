"""Formulas whose constants depend on progress: fitted to several moments, exported, checked."""

import numpy as np
import pytest
import torch

from symloss.errors import ExportError
from symloss.export.over_time import at_progress, export_over_time
from symloss.export.read import read_export
from symloss.export.runner import load
from symloss.expr import constants_of, parse_expression
from symloss.fitting.over_time import Moment, fit_over_time, follow
from symloss.fitting.sources import symbolic_teacher
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss


def truth(t):
    return parse_expression(f"-{1.0 + 0.5 * t} * (y * log(p + {0.05 + 0.2 * t * t}))")


def moments():
    found = []
    for t in np.linspace(0, 1, 5):
        loss = SymbolicLoss(truth(float(t)), Kind.BINARY)
        found.append(Moment(float(t), symbolic_teacher(loss, "moving", 10).samples("value")))
    return found


def test_constants_that_move_are_followed():
    found = follow(parse_expression("-1.0 * (y * log(p + 0.1))"), moments())
    assert found.error < 1e-6
    assert np.array(found.coefficients)[:, :3] == pytest.approx(
        np.array([[-1.0, -0.5, 0.0], [0.05, 0.0, 0.2]]), abs=1e-4
    )
    for t in (0.0, 0.4, 1.0):
        assert constants_of(found.at(t)) == pytest.approx(constants_of(truth(t)), abs=1e-4)


def test_the_smallest_that_follows_is_taken():
    formulas = ["square(p - y)", "-1.0 * (y * log(p + 0.1))", "-1.0 * (y * log(p + 0.1)) + 0.1 * square(p)"]
    found = fit_over_time([parse_expression(text) for text in formulas], moments())
    assert found.size == parse_expression(formulas[1]).size


CASES = [
    ("-1.2 * (y * (pow(1 - p, 2.0) * log(p)))", Kind.MULTICLASS),
    ("0.5 * softplus(8.0 * (p - y))", Kind.BINARY),
    ("2.0 * log(1.5 + square(p - y))", Kind.REGRESSION),
]


@pytest.mark.parametrize("format_", ["torch", "numpy"])
@pytest.mark.parametrize(("text", "kind"), CASES)
def test_an_exported_loss_is_the_formula_at_every_progress(text, kind, format_):
    loss = SymbolicLoss(parse_expression(text), kind)
    table = [(value, 0.3, -0.1) for value in constants_of(loss.expression)]
    exported = export_over_time(loss, table, format_)
    module = load(exported.text)
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (6,), generator=generator)
    labels = labels if kind is Kind.MULTICLASS else (outputs > 0.3).double()
    for progress in (0.0, 0.123, 0.9, 1.0):  # others than those of the check
        right = SymbolicLossModule(at_progress(loss, table, progress))(outputs, labels)
        if format_ == "torch":
            found = module.Loss()(outputs, labels, progress)
        else:
            found = torch.tensor(module.loss(outputs.numpy(), labels.numpy(), progress))
        assert torch.allclose(found, right, rtol=1e-9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        module.constants_at(1.5)


def test_the_check_sees_a_wrong_table(monkeypatch):
    from symloss.export import over_time

    loss = SymbolicLoss(parse_expression("2.0 * square(p - y)"), Kind.REGRESSION)
    real = over_time.at_progress
    monkeypatch.setattr(over_time, "at_progress", lambda own, table, t: real(own, table, t * 0.5))
    with pytest.raises(ExportError, match="differs"):
        export_over_time(loss, [(2.0, 1.0)], "torch")


def test_a_loss_over_time_is_not_read_back_as_one_formula(tmp_path):
    loss = SymbolicLoss(parse_expression("2.0 * square(p - y)"), Kind.REGRESSION)
    path = tmp_path / "loss.py"
    path.write_text(export_over_time(loss, [(2.0, 1.0)], "torch").text)
    with pytest.raises(ExportError, match="change over training"):
        read_export(path)
    with pytest.raises(ExportError, match="torch or numpy"):
        export_over_time(loss, [(2.0, 1.0)], "jax")
