"""From a loss that is code or a network to a run of formulas."""
