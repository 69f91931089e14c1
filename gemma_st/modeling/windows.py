"""Windows of long documents: the model reads the whole document, and the scores of its windows are combined.

``score = (2 · max(window scores) + first window score) / 3``

The maximum alone is MaxP and the first score alone FirstP (Dai & Callan, Deeper Text Understanding for IR with
Contextual Neural Language Modeling, SIGIR 2019). The first window has a weight of its own because a document often
says at its beginning what it is about; the weight was chosen on training queries of five collections.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemma_st.modeling.truncation import Offsets, Truncation, Truncator

if TYPE_CHECKING:
    from torch import Tensor

FIRST_WINDOW_WEIGHT = 1 / 3  # the maximum has the weight 2/3


def split_windows(
    truncator: Truncator, pairs: Sequence[Sequence[str]], stride: int, prompt: str | None = None
) -> tuple[list[tuple[str, str]], list[int], Truncation]:
    """Split long documents into overlapping windows, the last of which ends with the document.

    Args:
        truncator: The maximum lengths; a query that is too long is truncated.
        pairs: Pairs of query and document.
        stride: Number of tokens between window starts; at most the length of a window.
        prompt: Text that will be put before each query.

    Returns:
        The pairs of query and window, the number of windows of each given pair (at least 1), and the counts, which
        include a document only if nothing is left of it.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> truncator = Truncator(AutoTokenizer.from_pretrained("decoder"), 11)
        >>> split_windows(truncator, [("what", "a license and a patent and a copyright")], 3)[0]
        [('what', 'a license and a patent'), ('what', ' a patent and a copyright')]
    """
    used = truncator.prompt_tokens(prompt)
    offsets = truncator.offsets([text for pair in pairs for text in pair])
    windows: list[tuple[str, str]] = []
    sizes, counts = [], Truncation(inputs=len(pairs))
    for first, document in pairs:
        query, query_cut, limit = truncator.shorten_query(first, next(offsets), used)
        tokens = next(offsets)
        texts = [_window(document, tokens, start, limit) for start in _starts(document, tokens, limit, stride)]
        lost = bool(tokens) and not limit
        windows += [(query, text) for text in texts]
        sizes.append(len(texts))
        counts = counts.plus(Truncation(queries=query_cut, documents=lost, lost=lost))
    return windows, sizes, counts


def combine_scores(scores: "Tensor", sizes: Sequence[int]) -> "Tensor":
    """Return ``(2 · max(window scores) + first window score) / 3`` of each document.

    The scores have the shape ``(windows,)``, and ``sizes`` are the numbers of windows of the documents.

    Examples:
        >>> import torch
        >>> combine_scores(torch.tensor([0.0, 3.0, 1.0, 5.0]), [3, 1])
        tensor([2., 5.])
    """
    import torch

    lengths = torch.tensor(sizes, dtype=torch.long)
    first = scores[(lengths.cumsum(0) - lengths).to(scores.device)]
    document = torch.arange(len(sizes)).repeat_interleave(lengths).to(scores.device)
    best = torch.empty_like(first).scatter_reduce(0, document, scores, "amax", include_self=False)
    return best.lerp(first, FIRST_WINDOW_WEIGHT)  # no segment_reduce: it does not run on Apple's MPS


def _starts(text: str, offsets: Offsets, limit: int, stride: int) -> list[int]:
    """Return the first token of each window: the beginning of a word, if there is one within the stride."""
    starts = [0]
    while limit and starts[-1] + limit < len(offsets):
        begin = word = starts[-1] + min(stride, limit)
        while word > starts[-1] and not _begins_word(text, offsets[word][0]):
            word -= 1
        starts.append(word if word > starts[-1] else begin)
    return starts


def _begins_word(text: str, place: int) -> bool:
    return text[place - 1].isspace() or text[place].isspace()  # some tokens include the space before the word


def _window(text: str, offsets: Offsets, start: int, limit: int) -> str:
    """Return the text of a window; the whole text if it fits."""
    if len(offsets) <= limit:
        return text
    return text[offsets[start][0] : offsets[min(start + limit, len(offsets)) - 1][1]] if limit else ""
