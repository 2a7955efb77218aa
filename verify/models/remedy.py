"""What to change, as text to paste."""

from __future__ import annotations

_RITZ = """\
# Integrate on nodes that follow the kinks, in place of {discretisation}; autograd then gives the exact gradient.
from kinkproof.solver import ConformingQuadrature

quadrature = ConformingQuadrature(order=8)
{before}
loss = quadrature.integrate({density}, {model}, domain=({left:g}, {right:g})){ends}
loss.backward()"""

_STRONG = """\
# No quadrature mends this: the loss squares a u″ that has its weight in the kinks, where no node sees it.
# An activation with a second derivative gives it one, for instance
#     torch.nn.ReLU()  →  torch.nn.Tanh()
# or keep ReLU and minimise an energy that needs u′ alone (Deep Ritz), on nodes that follow the kinks:
#     from kinkproof.solver import ConformingQuadrature
#     loss = ConformingQuadrature(order=8).integrate(energy_density, model, domain=({left:g}, {right:g}))"""


def remedy(
    discretisation: str, domain: tuple[float, float], strong: bool, function: bool, density: str, has_ends: bool
) -> str:
    """Lines that the user can paste.

    Args:
        discretisation: what is to be replaced.
        domain: its two ends.
        strong: the density depends on u″.
        function: the model is a function of (parameters, x).
        density: the name of the user's density.
        has_ends: the loss has terms at the ends, too.
    """
    left, right = domain
    if strong:
        return _STRONG.format(left=left, right=right)
    return (
        _RITZ.format(
            discretisation=discretisation,
            before="u = functools.partial(model, parameters)  # a function of x alone\n" if function else "",
            density=density,
            model="u" if function else "model",
            left=left,
            right=right,
            ends=f" + ends(u_at(({left:g}, {right:g})))" if has_ends else "",
        )
        .replace("\n\n\n", "\n\n")
        .replace("order=8)\n\nloss", "order=8)\nloss")
    )
