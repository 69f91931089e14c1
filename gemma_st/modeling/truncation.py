"""Truncation of long inputs: the document is shortened before the query, and every truncation is counted.

Stock tokenizers shorten the longer text of a pair first, which may be the query, and report nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock, local
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerBase

Text = str | tuple[str, ...] | list[str]
Offsets = list[tuple[int, int]]  # begin and end of each token, in characters of its text
TEXTS_PER_CALL = 1024  # number of texts tokenized in one call
_counters: "WeakKeyDictionary[PreTrainedTokenizerBase, tuple[object, Tokenizer]]" = WeakKeyDictionary()
_counters_lock = Lock()


class Truncation(NamedTuple):
    """Counts of the inputs that were truncated.

    Attributes:
        inputs: Number of pairs or single texts.
        queries: Number of truncated queries, by their own budget or by the maximum length of the model.
        documents: Number of truncated documents or single texts.
        lost: Number of documents of which nothing was left beside the query; ``documents`` includes them.

    Examples:
        >>> print(Truncation(inputs=100, documents=7))
        truncated 0 queries and 7 documents of 100 inputs
    """

    inputs: int = 0
    queries: int = 0
    documents: int = 0
    lost: int = 0

    def plus(self, other: "Truncation") -> "Truncation":
        """Return the sums."""
        return Truncation(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        """Return the counts in one line."""
        lost = f" ({self.lost} to nothing: raise max_length or set query_length)" if self.lost else ""
        return f"truncated {self.queries} queries and {self.documents} documents{lost} of {self.inputs} inputs"


class ThreadCounts:
    """The counts of each model's last prediction in one thread; not kept in the model, so that it can be pickled.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> CrossEncoder("reranker").truncation
        Truncation(inputs=0, queries=0, documents=0, lost=0)
    """

    def __init__(self) -> None:
        """Start without counts."""
        self._local = local()

    def __get__(self, model: object, _: type | None = None) -> Truncation:
        """Return the counts of the last prediction of this thread."""
        counts: Truncation | None = self._local.__dict__.get("of_model", {}).get(model) if model else None
        return counts or Truncation()

    def __set__(self, model: object, counts: Truncation) -> None:
        """Keep the counts for this thread."""
        self._local.__dict__.setdefault("of_model", WeakKeyDictionary())[model] = counts


def refuse_lengths(lengths: Mapping[str, object], known: int | None) -> None:
    """Refuse a maximum length that is no number of tokens, or above the ``known`` one; None is none.

    Examples:
        >>> refuse_lengths({"max_length": 512}, 128)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: max_length=512 is above the 128 tokens that the model reads; give at most 128
    """
    for name, length in lengths.items():
        if length is None:
            continue
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ModelError(f"{name}={length!r}; expected a whole number of tokens, at least 1, or None")
        if known and length > known:
            raise ModelError(f"{name}={length} is above the {known} tokens that the model reads; give at most {known}")


class Truncator:
    """Shortens texts to the length that a tokenizer with its template leaves for them.

    Args:
        tokenizer: A fast tokenizer; the tokens of its template are counted and never removed.
        max_length: Maximum length of an input in tokens, template included.
        query_length: Maximum length of the query in tokens; limited by ``max_length`` only if not given.
        document_length: Maximum length of the document in tokens; the rest that the query leaves if not given.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> truncator = Truncator(AutoTokenizer.from_pretrained("decoder"), 12, query_length=4)
        >>> truncator.cut([("a license", "any work of authorship and the rights that come with it")])[1]
        Truncation(inputs=1, queries=0, documents=1, lost=0)
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        max_length: int,
        *,
        query_length: int | None = None,
        document_length: int | None = None,
    ) -> None:
        """Compute the number of tokens beside the template."""
        self.tokenizer = tokenizer
        template = {pair: tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True)}
        self._room: dict[bool, int] = {pair: max(0, max_length - tokens) for pair, tokens in template.items()}
        self.query_length, self.document_length = query_length, document_length

    def counts(self, features: Mapping[str, Any], prompt: str | None = None) -> Truncation | None:
        """Return the counts of a batch that the stock class tokenized and truncated.

        None if it has truncated a query or may have, if a text is above its budget, or if the batch does not tell:
        then the texts are to be truncated with ``cut`` and tokenized again.
        """
        encodings = getattr(features, "encodings", None)
        budgets = self.query_length is not None or self.document_length is not None
        if encodings is None or (budgets and prompt):  # a prompt may share a token with its query
            return None
        lengths = features["attention_mask"].sum(1).tolist()
        longest = max(lengths)  # a truncated row is as long as any
        documents = 0
        for encoding, length in zip(encodings, lengths, strict=True):
            was_cut = length == longest and bool(encoding.overflowing)
            if was_cut or budgets:
                if not self._fits(encoding, was_cut=was_cut, prompted=bool(prompt)):
                    return None
                documents += was_cut
        return Truncation(inputs=len(lengths), documents=documents)

    def stock_counts(self, features: Mapping[str, Any]) -> Truncation | None:
        """Return the counts of a batch that the stock class tokenized and truncated, whatever it has truncated.

        A truncated prompt counts as its query. None if the batch does not tell.
        """
        encodings = getattr(features, "encodings", None)
        if encodings is None:
            return None
        counts = Truncation(inputs=len(encodings))
        for encoding in encodings:
            kept, beyond = _pieces([encoding]), _pieces(encoding.overflowing)
            *query, document = [bool(beyond[text] - kept[text]) for text in range(encoding.n_sequences)]
            lost = document and not kept[len(query)]
            counts = counts.plus(Truncation(queries=any(query), documents=document, lost=lost))
        return counts

    def _fits(self, encoding: "Encoding", *, was_cut: bool, prompted: bool) -> bool:
        """Return whether the prompt and the query are whole and both texts are within their budgets."""
        texts = encoding.sequence_ids
        first, second = texts.count(0), texts.count(1)
        if encoding.n_sequences == 1:
            whole = not was_cut or (first > 0 and not prompted)
            return whole and (self.document_length is None or first <= self.document_length)
        if was_cut and first >= self._room[True] // 2:  # a shorter query is never truncated
            return False
        return (self.query_length is None or first <= self.query_length) and (
            self.document_length is None or second <= self.document_length
        )

    def cut(self, inputs: Sequence[Text], prompt: str | None = None) -> tuple[list[Text], Truncation]:
        """Return the pairs or single texts, truncated where they are too long, and the counts.

        The prompt will be put before each query or single text; it is counted and never truncated.
        """
        used = self.prompt_tokens(prompt)
        offsets = self.offsets([text for item in inputs for text in ([item] if isinstance(item, str) else item)])
        cut: list[Text] = []
        counts = Truncation(inputs=len(inputs))
        for item in inputs:
            if isinstance(item, str):
                text, was_cut = self._shorten(item, next(offsets), self._limit(False, used, self.document_length))
                cut.append(text)
                counts = counts.plus(Truncation(documents=was_cut, lost=was_cut and not text))
                continue
            query, query_cut, limit = self.shorten_query(item[0], next(offsets), used)
            text, was_cut = self._shorten(item[1], next(offsets), limit)
            cut.append((query, text) if query_cut or was_cut else item)
            counts = counts.plus(Truncation(queries=query_cut, documents=was_cut, lost=was_cut and not text))
        return cut, counts

    def shorten_query(self, query: str, offsets: Offsets, used: int) -> tuple[str, bool, int]:
        """Return the query, whether it was truncated, and the maximum length of its document.

        The ``offsets`` are those of the query, and ``used`` is the number of tokens of the prompt.
        """
        text, was_cut = self._shorten(query, offsets, self._limit(True, used, self.query_length))
        tokens = len(self._tokens([text])[0]) if was_cut else len(offsets)
        return text, was_cut, self._limit(True, used + tokens, self.document_length)

    def prompt_tokens(self, prompt: str | None) -> int:
        """Return the number of tokens of a prompt."""
        return sum(map(len, self.offsets([prompt] if prompt else [])))

    def offsets(self, texts: Sequence[str]) -> Iterator[Offsets]:
        """Yield the tokens of each text; only a few texts are tokenized at once, to bound the memory."""
        for start in range(0, len(texts), TEXTS_PER_CALL):
            yield from self._tokens(texts[start : start + TEXTS_PER_CALL])

    def _limit(self, pair: bool, used: int, budget: int | None) -> int:
        room = max(0, self._room[pair] - used)
        return room if budget is None else min(room, budget)

    def _tokens(self, texts: Sequence[str]) -> list[Offsets]:
        plain = plain_copy(self.tokenizer)
        return [encoding.offsets for encoding in plain.encode_batch(list(texts), add_special_tokens=False)]

    def _shorten(self, text: str, offsets: Offsets, limit: int) -> tuple[str, bool]:
        """Truncate a text to ``limit`` tokens; half a word may have more tokens than expected, so this repeats."""
        whole = text
        while len(offsets) > limit:
            text = text[: min(offsets[limit - 1][1], len(text) - 1)] if limit else ""
            offsets = self._tokens([text])[0]
        return text, text is not whole


def _pieces(encodings: Sequence["Encoding"]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Return the places of the tokens of the first text, and of the second."""
    texts: tuple[set[tuple[int, int]], set[tuple[int, int]]] = set(), set()
    for encoding in encodings:
        for text, place in zip(encoding.sequence_ids, encoding.offsets, strict=True):
            if text is not None:
                texts[text].add(place)
    return texts


def plain_copy(tokenizer: "PreTrainedTokenizerBase") -> "Tokenizer":
    """Return a copy of the tokenizer that neither truncates nor pads; its own settings are those of scoring threads.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> plain_copy(AutoTokenizer.from_pretrained("decoder")).truncation is None
        True
    """
    from tokenizers import Tokenizer

    backend: Any = tokenizer.backend_tokenizer
    plain = bool(getattr(tokenizer, "split_special_tokens", False))  # whether special tokens are read as plain text
    state = (id(backend), len(tokenizer), plain)  # made again if the vocabulary has grown
    with _counters_lock:
        if tokenizer not in _counters or _counters[tokenizer][0] != state:
            _counters[tokenizer] = state, (copy := Tokenizer.from_str(backend.to_str()))
            copy.no_truncation()
            copy.no_padding()
            copy.encode_special_tokens = plain
        return _counters[tokenizer][1]
