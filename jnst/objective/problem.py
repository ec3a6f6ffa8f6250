"""What is optimized: a network, targets and weights."""

from flax import struct

from jnst.common.brief import brief
from jnst.networks.feature_network import FeatureNetwork
from jnst.objective.targets import Targets
from jnst.settings.terms import Terms


class Problem(struct.PyTreeNode):
    """What the loss of an image is made of: see `total_loss`.

    Of many images `targets` and `weights` have a leading axis, one entry an image (`stack`); the
    network is one for all.
    """

    network: FeatureNetwork
    targets: Targets
    weights: Terms

    def __repr__(self) -> str:
        return brief(self)
