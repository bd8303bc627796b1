"""Names of what comes with symloss. Light on purpose: listing them imports no torch."""

from __future__ import annotations

TASKS: dict[str, str] = {
    "digits": "handwritten digits, 8x8 pixels, 10 classes, 1797 samples (scikit-learn)",
    "diabetes": "disease progression after a year from 10 measurements, 442 patients (scikit-learn)",
    "wine": "three cultivars from 13 measurements, 178 wines (scikit-learn)",
    "breast-cancer": "malignant or benign from 30 measurements, 569 tumours (scikit-learn)",
    "mnist1d": "ten digit-like shapes of 40 points, 5000 samples, generated (arXiv 2011.14439)",
    "mnist": "handwritten digits, 28x28 pixels, 10 classes, 70000 samples (IDX files on disk)",
    "fashion-mnist": "articles of clothing, 28x28 pixels, 10 classes, 70000 samples (IDX files on disk)",
    "cifar10": "photographs, 32x32 pixels in colour, 10 classes, 60000 samples (binary files on disk)",
    "cifar100": "photographs, 32x32 pixels in colour, 100 classes, 60000 samples (binary files on disk)",
    "svhn": "house numbers, 32x32 pixels in colour, 10 classes, 99289 samples (MATLAB files on disk)",
    "california-housing": "median house value of 20640 districts from 8 numbers (file on disk)",
    "communities-and-crime": "violent crime of 1994 US communities from census numbers (file on disk)",
}
"""Name and one line about each; `datasets.LOADERS` has the loader of the same name."""

MODELS: tuple[str, ...] = (
    *("linear", "mlp", "mlp-1000", "lenet5", "alexnet", "vgg16", "allcnn-c", "squeezenet", "resnet18"),
    *("preresnet18", "wrn-16-8", "wrn-28-10", "wrn-40-4", "pyramidnet"),
)
"""Base models; `models.MODELS` has what each is."""

CORRUPTIONS = ("label_noise", "asymmetric_noise", "imbalance", "outliers", "heavy_tails")
"""Ways to damage training data: the fields of `Corruption`, each of which is a setting of this name."""

STANDARDISED = "targets standardised"
"""How the note on a task begins that states mean and standard deviation of the targets of regression."""

_MIRRORED = ("f1", "auroc", "average-precision", "r2")


def cost_name(metric: str) -> str:
    """What a metric's values are called, which are costs: "1 - f1", as better models have more of F1."""
    return f"1 - {metric}" if metric.partition(OF_CLASS)[0] in _MIRRORED else metric


OF_CLASS = " of class "
"""What stands between the name of a metric and that of the class which it counts alone."""
