"""Cutting what is too long so that the query stays whole, and counting what was cut; or reading it in windows.

Stock tokenizers cut the longer text of a pair first, which with a long query is the query. Here the document gives way,
and nothing is cut in silence.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Text = str | tuple[str, ...] | list[str]
AT_ONCE = 1024  # texts tokenized together


class Truncation(NamedTuple):
    """How many inputs were cut.

    Attributes:
        inputs: Pairs or single texts looked at.
        queries: Queries cut, by their own budget or since one alone is longer than the model reads.
        documents: Documents (or single texts) cut.
        lost: Of these, documents of which nothing was left beside the query.
    """

    inputs: int = 0
    queries: int = 0
    documents: int = 0
    lost: int = 0

    def plus(self, other: "Truncation") -> "Truncation":
        """Return the sums."""
        return Truncation(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        """Say it in one line."""
        lost = f" ({self.lost} to nothing: raise max_length or set query_length)" if self.lost else ""
        return f"of {self.inputs} inputs, {self.queries} queries and {self.documents} documents{lost} were cut"


class Truncator:
    """Cuts texts to what a tokenizer with its template leaves room for.

    Args:
        tokenizer: A fast tokenizer; the words of its template are counted, and never cut.
        max_length: Longest input in tokens, template included.
        query_length: Budget of the query in tokens; as many as fit if not given.
        document_length: Budget of the document in tokens; what the query leaves if not given.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        max_length: int,
        *,
        query_length: int | None = None,
        document_length: int | None = None,
    ) -> None:
        """Work out the room beside the template."""
        self.tokenizer = tokenizer
        taken = {pair: tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True)}
        self._room: dict[bool, int] = {pair: max(0, max_length - marks) for pair, marks in taken.items()}
        self.query_length, self.document_length = query_length, document_length

    def cut(self, inputs: Sequence[Text], prompt: str | None = None) -> tuple[list[Text], Truncation]:
        """Cut the inputs that are too long.

        Args:
            inputs: Pairs of query and document, or single texts.
            prompt: What will be put before each query or single text; it is never cut.

        Returns:
            The inputs, those that fit as they were, and the counts.
        """
        taken = sum(map(len, self._offsets([prompt] if prompt else [])))
        offsets = self._offsets([text for item in inputs for text in ([item] if isinstance(item, str) else item)])
        cut: list[Text] = []
        counts = Truncation(inputs=len(inputs))
        for item in inputs:
            if isinstance(item, str):
                text, was = self._shorten(item, next(offsets), self._limit(False, taken, self.document_length))
                cut.append(text)
                counts = counts.plus(Truncation(documents=was, lost=was and not text))
                continue
            query, query_cut, limit = self._query(item[0], next(offsets), taken)
            text, was = self._shorten(item[1], next(offsets), limit)
            cut.append((query, text) if query_cut or was else item)
            counts = counts.plus(Truncation(queries=query_cut, documents=was, lost=was and not text))
        return cut, counts

    def windows(
        self, pairs: Sequence[Sequence[str]], stride: int, prompt: str | None = None
    ) -> tuple[list[tuple[str, str]], list[int], Truncation]:
        """Part the documents that are too long into windows that overlap, the last one up to the document's end.

        Args:
            pairs: Pairs of query and document.
            stride: Tokens from one window's beginning to the next one's; fewer where a window is shorter than that.
            prompt: What will be put before each query.

        Returns:
            Pairs that fit, how many there are of each of the given ones, at least one, and the counts: of documents,
            only those of which nothing is left.
        """
        taken = sum(map(len, self._offsets([prompt] if prompt else [])))
        offsets = self._offsets([text for pair in pairs for text in pair])
        parts: list[tuple[str, str]] = []
        sizes, counts = [], Truncation(inputs=len(pairs))
        for first, document in pairs:
            query, query_cut, limit = self._query(first, next(offsets), taken)
            ends = next(offsets)
            found = [_part(document, ends, start, limit) for start in _starts(document, ends, limit, stride)]
            lost = bool(ends) and not limit
            parts += [(query, text) for text in found]
            sizes.append(len(found))
            counts = counts.plus(Truncation(queries=query_cut, documents=lost, lost=lost))
        return parts, sizes, counts

    def _query(self, text: str, offsets: list[tuple[int, int]], taken: int) -> tuple[str, bool, int]:
        """Return the query, whether it was cut, and the tokens left for the document."""
        query, was = self._shorten(text, offsets, self._limit(True, taken, self.query_length))
        used = taken + (len(self._lengths([query])[0]) if was else len(offsets))
        return query, was, self._limit(True, used, self.document_length)

    def _limit(self, pair: bool, used: int, budget: int | None) -> int:
        room = max(0, self._room[pair] - used)
        return room if budget is None else min(room, budget)

    def _offsets(self, texts: Sequence[str]) -> Iterator[list[tuple[int, int]]]:
        """Yield ``_lengths`` text by text, a few held at once: of a million texts they would fill the memory."""
        for start in range(0, len(texts), AT_ONCE):
            yield from self._lengths(texts[start : start + AT_ONCE])

    def _lengths(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return where each token of each text begins and ends, in characters."""
        given = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_offsets_mapping=True,
            verbose=False,  # that a text is too long is what we are here for
        )
        offsets: list[list[tuple[int, int]]] = given["offset_mapping"]
        return offsets

    def _shorten(self, text: str, offsets: list[tuple[int, int]], limit: int) -> tuple[str, bool]:
        """Cut a text to at most ``limit`` tokens; a cut within a word may be spelled with more tokens than before."""
        whole = text
        while len(offsets) > limit:
            text = text[: min(offsets[limit - 1][1], len(text) - 1)] if limit else ""
            offsets = self._lengths([text])[0]
        return text, text is not whole


def _starts(text: str, offsets: list[tuple[int, int]], limit: int, stride: int) -> list[int]:
    """Return the first token of each window, where a word begins if there is one within the stride."""
    starts = [0]
    while limit and starts[-1] + limit < len(offsets):
        begin = word = starts[-1] + min(stride, limit)
        while word > starts[-1] and not _begins_word(text, offsets[word][0]):
            word -= 1
        starts.append(word if word > starts[-1] else begin)
    return starts


def _begins_word(text: str, place: int) -> bool:
    return text[place - 1].isspace() or text[place].isspace()  # some tokens hold the space before them


def _part(text: str, offsets: list[tuple[int, int]], start: int, limit: int) -> str:
    """Return the window's text; of a text that fits, all of it."""
    if len(offsets) <= limit:
        return text
    return text[offsets[start][0] : offsets[min(start + limit, len(offsets)) - 1][1]] if limit else ""
