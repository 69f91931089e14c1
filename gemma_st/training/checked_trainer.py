"""The sentence-transformers trainer with two checks more: the norm of every step's gradient, and whole checkpoints."""

import shutil
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.cross_encoder import CrossEncoderTrainer
from torch import nn

from gemma_st.errors import ModelError
from gemma_st.files import writing
from gemma_st.training.finite import refuse_infinite


class CheckedTrainer(CrossEncoderTrainer):
    """Stop at a gradient norm that is not finite, and say in one line why a checkpoint cannot be written.

    The arguments are those of ``CrossEncoderTrainer``.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
        >>> arguments = CrossEncoderTrainingArguments(use_cpu=True, report_to="none")
        >>> trainer = CheckedTrainer(model=CrossEncoder("reranker", device="cpu"), args=arguments)
    """

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> float | None:  # noqa: ANN401
        """Check the norm: it may overflow where no gradient does, and clipping then sets them all to 0."""
        norm: float | None = super()._get_grad_norm(model, grad_norm)
        # In float16, the trainer reduces the scale of the loss until the norm is finite.
        if norm is not None and not self.args.fp16:
            refuse_infinite("gradient norm", torch.as_tensor(norm), self.state.global_step + 1)
        return norm

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401
        """Remove a checkpoint that cannot be written in full; training resumes from the one before.

        Earlier checkpoints above ``save_total_limit`` are deleted by `LossCheckpoint`, which completes this one.
        """
        folder = Path(self.args.output_dir, f"checkpoint-{self.state.global_step}")
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            with writing(folder, "a checkpoint"):
                super()._save_checkpoint(model, trial)
        except ModelError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self.args.save_total_limit = limit
