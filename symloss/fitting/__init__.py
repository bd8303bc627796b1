"""From a loss that is code to a formula: fitting expressions of a grammar to its values. Trains nothing."""
