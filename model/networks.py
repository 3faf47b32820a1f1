"""The networks there are, by method.  Importing this does not load torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model.sastf.config import NetworkConfig
from model.shape import NetworkShape
from model.stfdiff.config import StfdiffConfig

if TYPE_CHECKING:
    from model.network import FusionNetwork

SHAPES: Mapping[str, type[NetworkShape]] = {
    kind.method: kind for kind in (NetworkConfig, StfdiffConfig)
}


def shape_of(card: Mapping[str, Any]) -> NetworkShape:
    """The shape of a card's network; a card that names no method is of sa-stf.

    Raises TypeError or ValueError for what is no shape.
    """
    return SHAPES[card.get("method", NetworkConfig.method)].from_dict(card["network"])


def network_of(shape: NetworkShape) -> "FusionNetwork":
    """A network of random weights."""
    if isinstance(shape, StfdiffConfig):
        from model.stfdiff.network import Stfdiff

        return Stfdiff(shape)
    from model.sastf.network import Network  # torch takes two seconds to import

    assert isinstance(shape, NetworkConfig)
    return Network(shape)
