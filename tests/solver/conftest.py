"""Numeric state of the solver's tests, set in one place."""

from __future__ import annotations

import torch

# The tensors are small: a second thread costs more than it gives, above all on a shared machine.
torch.set_num_threads(1)
