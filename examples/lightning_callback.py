"""The same as a callback of Lightning, logged to CSV; pip install lightning. `python lightning_callback.py [STEPS]`"""

import csv
import sys
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from missing_share import Ritz, look, mean_over_a_grid
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class MissingShare(lightning.Callback):
    """Logs the energy as an integral, and how much of its gradient autodiff misses; any logger will do."""

    def __init__(self, every: int) -> None:
        self.every = every

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every == 0:
            trainer.logger.log_metrics(look(pl_module), trainer.global_step)


class Training(lightning.LightningModule):
    """Deep Ritz on a grid, with plain autodiff."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Ritz(20).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return mean_over_a_grid(self)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 5e-3)


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    torch.manual_seed(0)
    logger = CSVLogger(".", name="runs", version="lightning")
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", callbacks=[MissingShare(max(1, steps // 20))], logger=logger,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    # The grid is the loss's own: the batches only count the steps.
    trainer.fit(Training(), DataLoader(TensorDataset(torch.zeros(steps, 1)), batch_size=1))
    with Path(logger.log_dir, "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print(f"{len(rows)} rows; autodiff misses {float(rows[-1]['missing']):.3g} times the gradient")
