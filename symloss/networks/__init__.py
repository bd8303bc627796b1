"""Many networks of one shape at once: forward, backward, and how outputs move with the parameters."""

from symloss.networks.chain import Chain
from symloss.networks.lowering import as_chain
from symloss.networks.network import Network, Parameters, Pass
from symloss.networks.traced import Traced

__all__ = ["Chain", "Network", "Parameters", "Pass", "Traced", "as_chain"]
