"""Folding: the weights of any training form as those of plain convolutions."""

from collections.abc import Mapping

import numpy as np

from edge_sr.models.reparam.expanded import FACTORS, folded_factors
from edge_sr.models.reparam.normalized import NORMALIZED, folded_norm
from edge_sr.models.reparam.strided import STRIDED, folded_strided


def fold(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of the plain convolutions that compute the same as reparameterized ones.

    Args:
        weights: float32 arrays by "layer/variable", as in `checkpoint.Checkpoint`. These become
            `layer/kernel` (k,k,Cin,Cout); sums and products are taken in float64:

            - `layer/wide` (k,k,Cin,E), `layer/narrow` (E,Cout) and, if present, `layer/skip` (1)
              and `layer/edges` (3,Cin,Cout);
            - `layer/direction` or `layer/raw` (k,k,Cin,Cout) with `gain`, `mean`, `variance` (Cout)
              and `grey` (Cin), which change `layer/bias` as well;
            - `layer/strided_s` (K,K,1,Cin), which changes `layer/bias` as well.

    Raises:
        UserError: the variables of a layer do not fit each other.
    """
    folded = {
        name: array
        for name, array in weights.items()
        if not name.endswith(tuple(f"/{part}" for part in (*FACTORS, *NORMALIZED)))
        and not name.rpartition("/")[2].startswith(STRIDED)
    }
    for name in weights:
        layer, _, kind = name.rpartition("/")
        if kind == "wide":
            parts = {p: weights[f"{layer}/{p}"] for p in FACTORS if f"{layer}/{p}" in weights}
            folded[f"{layer}/kernel"] = folded_factors(layer, parts).astype(np.float32)
            continue
        if kind in ("direction", "raw"):
            parts = {
                n.rpartition("/")[2]: a for n, a in weights.items() if n.startswith(f"{layer}/")
            }
            kernel, bias = folded_norm(layer, parts)
        elif kind.startswith(STRIDED):
            bias_of_layer = weights.get(f"{layer}/bias")
            kernel, bias = folded_strided(name, weights[name], bias_of_layer)
        else:
            continue
        folded[f"{layer}/kernel"] = kernel.astype(np.float32)
        folded[f"{layer}/bias"] = bias.astype(np.float32)
    return folded
