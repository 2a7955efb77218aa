"""What a training can choose by name. Without torch, so that a wrong name is refused at once."""

from typing import Literal

from ...verify.choices import Rule as Rule

Activation = Literal[
    "relu", "leaky-relu", "relu2", "relu3", "tanh", "sigmoid", "softplus", "swish", "gelu", "sin", "silu"
]
Gradient = Literal[
    "autodiff", "finite-difference", "dirac-nearest", "dirac-mean", "exact", "bulk", "autodiff-summed", "smoothed"
]  # fmt: skip
# These need no nodes.
OF_THE_INTEGRAL = ("exact", "bulk")
EnergyForm = Literal["ritz", "strong"]
DrawnRule = Literal["uniform", "stratified", "quasi-random"]
FitRule = Literal[Rule, "conforming", "adaptive", DrawnRule]
Optimizer = Literal["adam", "sgd", "lbfgs", "adam-lbfgs", "varpro", "newton", "block-newton", "r-adaptive"]
ScheduleName = Literal["cosine", "exponential", "step", "one-cycle"]
Initial = Literal["paper", "torch", "even", "density"]
Precision = Literal["float64", "float32"]
# Of networks in boxes.
BoxGradient = Literal["autodiff", "exact"]
BoxInitial = Literal["torch", "paper"]
Sampling = Literal["grid", "fixed", "anew"]
# Of landscapes and Hessians.
EnergyKind = Literal["quadrature", "exact"]
HessianKind = Literal["exact", "autodiff", "finite-difference"]
