"""Functions by NumPy are torch's, for every number, type and layout."""

from __future__ import annotations

import pytest
import torch

from symloss import elementwise

NUMBERS = [0.0, -0.0, 1e-40, 1e-3, 0.5, 1.0, 9.0, 80.0, 88.0, 104.0, 1e4, 1e30, float("inf"), float("nan")]
PAIRS = [(elementwise.exp, torch.exp), (elementwise.tanh, torch.tanh)]


@pytest.mark.parametrize(("own", "torchs"), PAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_functions_are_torchs(own, torchs, dtype):
    values = torch.tensor([*NUMBERS, *(-number for number in NUMBERS)], dtype=dtype)
    before = values.clone()
    found = own(values)
    torch.testing.assert_close(found, torchs(values), rtol=None, atol=None, equal_nan=True)
    assert found.dtype == dtype
    assert torch.equal(values.nan_to_num(), before.nan_to_num())


def test_in_place_is_in_place_in_any_layout():
    values = torch.linspace(-3, 3, 24).view(2, 3, 4)
    expected = torch.tanh(values)
    turned = values.transpose(0, 2)
    assert elementwise.tanh_(turned).data_ptr() == values.data_ptr()
    torch.testing.assert_close(values, expected)


def test_what_requires_gradients_is_taken_as_numbers():
    values = torch.ones(3, requires_grad=True)
    assert not elementwise.exp(values).requires_grad
