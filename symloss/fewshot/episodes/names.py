"""Names of few-shot data. Light on purpose: listing them imports no torch."""

from __future__ import annotations

FEWSHOT_DATA: dict[str, str] = {
    "glyphs": "1352 characters of the fonts that matplotlib ships, warped, 28x28 pixels; comes with symloss",
    "sinusoids": "sine curves, regression with one input and one output; generated",
}
"""Name and one line about each; `registry.MAKERS` has the maker of the same name."""
