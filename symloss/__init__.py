"""symloss discovers symbolic loss functions and exports them as code."""

__version__ = "0.1.0"
