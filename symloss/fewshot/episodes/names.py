"""Names of few-shot data. Light on purpose: listing them imports no torch."""

from __future__ import annotations

FEWSHOT_DATA: dict[str, str] = {
    "glyphs": "1352 characters of the fonts that matplotlib ships, warped, 28x28 pixels; comes with symloss",
    "sinusoids": "sine curves, regression with one input and one output; generated",
    "omniglot": "handwritten characters of 50 alphabets, 28x28 pixels; published folders on disk",
    "mini-imagenet": "photographs of 100 classes, 84x84 pixels in colour; published folders on disk",
    "tiered-imagenet": "photographs of 608 classes, 84x84 pixels in colour; published folders on disk",
    "cifar-fs": "photographs of 100 classes, 32x32 pixels in colour; published folders on disk",
    "fc100": "CIFAR-100 split by superclass, 32x32 pixels in colour; CIFAR-100's binary files on disk",
    "cub": "birds of 200 species, 84x84 pixels in colour; published folders on disk",
}
"""Name and one line about each; `registry.MAKERS` has the maker of the same name."""
