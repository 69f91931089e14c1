"""A loss of another package, for the tests of training: it takes a teacher and has a trained parameter of its own."""

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from gemma_st.losses.listwise import ListLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer


class TaughtLoss(ListLoss):
    """``-Σ softmax(teacher's cosines) log softmax(w · score + b)`` over each list; w and b are trained."""

    def __init__(self, model: "CrossEncoder", teacher: "SentenceTransformer", *, mini_batch_size: int = 32) -> None:
        """Keep the teacher where neither the optimizer nor a checkpoint finds it."""
        super().__init__(model, mini_batch_size=mini_batch_size)
        self._teacher = [teacher.requires_grad_(False).eval()]
        self.scale = nn.Linear(1, 1)

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the mean over the lists, with the teacher's cosines as labels."""
        [teacher], (queries, documents) = self._teacher, inputs
        vectors = [
            teacher.encode([query, *texts], convert_to_tensor=True) for query, texts in zip(*inputs, strict=True)
        ]
        cosines = [teacher.similarity(each[:1], each[1:])[0] for each in vectors]
        return super().forward([queries, documents], cosines)

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list."""
        found = self.scale(scores[..., None])[..., 0].masked_fill(~filled, -1e9)
        return -(labels.masked_fill(~filled, -1e9).softmax(-1) * found.log_softmax(-1)).sum(-1)
