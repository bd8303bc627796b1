"""Many networks of one shape at once: forward, backward, and how outputs move with the parameters."""

from symloss.networks.chain import Chain
from symloss.networks.cuda import cuda_recorder
from symloss.networks.lowering import as_chain
from symloss.networks.network import Differentiable, Network, Parameters, Pass
from symloss.networks.recorded import Recorded, Recorder
from symloss.networks.separate import Separate
from symloss.networks.traced import Traced, can_be_traced

__all__ = [
    "Chain",
    "Differentiable",
    "Network",
    "Parameters",
    "Pass",
    "Recorded",
    "Recorder",
    "Separate",
    "Traced",
    "as_chain",
    "can_be_traced",
    "cuda_recorder",
]
