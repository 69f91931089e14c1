"""Train with the tokens that occur only, and put the whole vocabulary back afterwards.

Most of a small Gemma is its table of token embeddings: 168M of the 268M parameters of Gemma 3 270M. A training set has
a few thousand of its 262,144 tokens. Without the others, checkpoints are less than half as large, and a table that is
trained has a gradient of its size only.

Exact: byte-pair encoding merges the pair of lowest rank first, and which pairs it merges within a token depends on the
characters of that token only. So a token is kept together with every token that its own merges pass through, and a text
whose tokens are all kept is tokenized as before. Any other text is tokenized into shorter tokens, at worst into bytes.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gemma_st.errors import ModelError
from gemma_st.modeling.truncation import TEXTS_PER_CALL, plain_copy

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    Merges = dict[tuple[str, str], int]  # pair of tokens → rank

IDS_IN_CONFIG = ("pad_token_id", "eos_token_id", "bos_token_id", "unk_token_id")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A tokenizer and its table of token embeddings.

    Attributes:
        tokenizer: A fast tokenizer.
        table: The embeddings, with a row for each token. (tokens, width)

    Examples:
        >>> from gemma_st.build import cross_encoder
        >>> Vocabulary.of(cross_encoder("decoder")).table.shape
        torch.Size([1000, 32])
    """

    tokenizer: "PreTrainedTokenizerBase"
    table: "nn.Parameter"

    @classmethod
    def of(cls, model: "nn.Sequential") -> "Vocabulary":
        """Return the vocabulary of a model, without copying it."""
        transformer: Any = model[0]
        if transformer.tokenizer is None:
            raise ModelError("the model has no tokenizer, and so no vocabulary; expected an encoder of text")
        return cls(transformer.tokenizer, transformer.model.get_input_embeddings().weight)

    def give(self, model: "nn.Sequential") -> None:
        """Make this the vocabulary of a model."""
        transformer: Any = model[0]
        network = transformer.model
        former, ids = transformer.tokenizer, self.tokenizer.get_vocab()
        for name in IDS_IN_CONFIG:
            if isinstance(number := getattr(network.config, name, None), int):
                setattr(network.config, name, ids[former.convert_ids_to_tokens(number)])
        embedding = network.get_input_embeddings()
        if embedding.padding_idx is not None:
            embedding.padding_idx = ids[former.convert_ids_to_tokens(embedding.padding_idx)]
        embedding.weight, embedding.num_embeddings = self.table, len(self.table)
        network.config.vocab_size = len(self.table)
        transformer.processor = transformer.input_formatter.processor = self.tokenizer

    def only(self, tokens: Iterable[int]) -> "Vocabulary":
        """Return a vocabulary of these tokens, of those that they are merged from, and of those always needed."""
        from torch import nn

        state = json.loads(self.tokenizer.backend_tokenizer.to_str())
        kept = _closure(state, {*tokens, *self.tokenizer.all_special_ids})
        kept = [number for number in kept if number < len(self.table)]
        rows = self.table.detach()[kept].clone()
        return Vocabulary(
            _smaller(self.tokenizer, state, kept), nn.Parameter(rows, requires_grad=self.table.requires_grad)
        )

    def update(self, part: "Vocabulary") -> None:
        """Copy the rows of a smaller vocabulary into the rows of the same tokens."""
        ids = self.tokenizer.get_vocab()
        names = part.tokenizer.convert_ids_to_tokens(range(len(part.table)))
        if missing := [name for name in names if name not in ids]:
            raise ModelError(f"token {missing[0]!r} is not in the whole vocabulary; expected that of the model's base")
        self.table.data[[ids[name] for name in names]] = part.table.detach()


def count_tokens(tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str]) -> Counter[int]:
    """Return how often each token occurs in texts, without template and prompts.

    Examples:
        >>> from gemma_st.modeling.backbone import backbone
        >>> sum(count_tokens(backbone("decoder").tokenizer, ["a b", "a"]).values())
        3
    """
    counts: Counter[int] = Counter()
    plain, left = plain_copy(tokenizer), iter(texts)
    while batch := list(islice(left, TEXTS_PER_CALL)):
        for encoding in plain.encode_batch(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def restrict(model: "nn.Sequential", tokens: Iterable[int]) -> Vocabulary:
    """Reduce a model to the given tokens, and return its whole vocabulary.

    Tokens of the template, special tokens with a role, and the bytes that every other text is encoded into are kept
    as well. Examples that are scored with a prompt need the tokens of prompt and text together.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> model, pair = CrossEncoder("reranker"), ("patent license", "Licensed under the Apache License")
        >>> score = model.predict(pair)
        >>> whole = restrict(model, count_tokens(model.tokenizer, pair))
        >>> len(model.tokenizer) < len(whole.table), bool(abs(model.predict(pair) - score) < 1e-5)
        (True, True)
        >>> restore(model, whole)
        >>> len(model.tokenizer)
        1000
    """
    whole, transformer = Vocabulary.of(model), cast(Any, model[0])
    network = transformer.model
    named = [getattr(network.config, name, None) for name in IDS_IN_CONFIG]
    named.append(network.get_input_embeddings().padding_idx)
    whole.only({*tokens, *(number for number in named if isinstance(number, int))}).give(model)
    return whole


def restore(model: "nn.Sequential", whole: Vocabulary) -> None:
    """Put the whole vocabulary back; the rows of the tokens that were kept are those after training.

    ``whole`` is what `restrict` returned, or, for a saved model, the ``Vocabulary.of`` the model built from the same
    base with the same options.

    Examples:
        >>> from gemma_st.build import cross_encoder
        >>> whole = restrict(model := cross_encoder("decoder"), [])
        >>> restore(model, whole)
        >>> Vocabulary.of(model).table is whole.table
        True
    """
    part = Vocabulary.of(model)
    whole.table.data = whole.table.data.to(part.table)  # the model may have been moved to another device
    whole.update(part)
    whole.give(model)


@contextmanager
def with_whole(model: "nn.Sequential", whole: Vocabulary | None) -> Iterator[None]:
    """Give a restricted model its whole vocabulary for a while, such as to evaluate it; None does nothing.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> whole = restrict(model := CrossEncoder("reranker"), [])
        >>> with with_whole(model, whole):
        ...     len(model.tokenizer)
        1000
    """
    if whole is None:
        yield
        return
    part = Vocabulary.of(model)
    restore(model, whole)
    try:
        yield
    finally:
        part.give(model)


def _closure(state: dict[str, Any], numbers: set[int]) -> list[int]:
    """Return the sorted ids of the tokens to keep: these, those of the template, and those on the way to each."""
    if state["model"]["type"] != "BPE" or state["model"].get("ignore_merges"):
        raise ModelError(f"a tokenizer of type {state['model']['type']}; expected byte-pair encoding with merges")
    ids: dict[str, int] = state["model"]["vocab"]
    added = {token["id"]: token["content"] for token in state["added_tokens"]}
    names = {number: token for token, number in ids.items()} | added
    for token in ((state["post_processor"] or {}).get("special_tokens") or {}).values():
        numbers = numbers | set(token["ids"])
    ranks = {pair: rank for rank, pair in enumerate(_pairs(state))}
    kept = numbers | {ids[token] for token in _alphabet(state) if token in ids}
    for number in numbers - added.keys():
        kept.update(ids[token] for token in _parts(names[number], ranks) if token in ids)
    return sorted(kept)


def _alphabet(state: dict[str, Any]) -> list[str]:
    """Return the tokens into which any text can be split."""
    if state["model"].get("byte_fallback"):
        return [f"<0x{byte:02X}>" for byte in range(256)]
    return [token for token in state["model"]["vocab"] if len(token) == 1]


def _parts(token: str, ranks: "Merges") -> list[str]:
    """Return every token on the way from single characters to a token, itself last."""
    pieces = list(token)
    found = [*pieces, token]
    while len(pieces) > 1:
        pairs = list(zip(pieces, pieces[1:], strict=False))
        place = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
        if pairs[place] not in ranks:
            return [token]  # a byte, which no merge makes
        pieces[place : place + 2] = ["".join(pairs[place])]
        found.append(pieces[place])
    return found


def _pairs(state: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the merges in the order of their rank; older files write a pair as one string."""
    merges = (pair.split(" ", 1) if isinstance(pair, str) else pair for pair in state["model"]["merges"])
    return [(first, second) for first, second in merges]


def _smaller(tokenizer: "PreTrainedTokenizerBase", state: dict[str, Any], kept: list[int]) -> "PreTrainedTokenizerBase":
    """Return a tokenizer of the same class and settings with the tokens that are kept, in their order."""
    from transformers import AutoTokenizer

    new = {number: place for place, number in enumerate(kept)}
    ids = {token: new[number] for token, number in state["model"]["vocab"].items() if number in new}
    merges = [list(pair) for pair in _pairs(state) if ids.keys() >= {*pair, "".join(pair)}]
    state["model"] |= {"vocab": dict(sorted(ids.items(), key=lambda item: item[1])), "merges": merges}
    state["added_tokens"] = [token | {"id": new[token["id"]]} for token in state["added_tokens"] if token["id"] in new]
    for token in ((state["post_processor"] or {}).get("special_tokens") or {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    state |= {"padding": None, "truncation": None}  # those of the last batch
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        Path(folder, "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        made = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, padding_side=tokenizer.padding_side)
    if made.convert_ids_to_tokens(range(len(made))) != tokenizer.convert_ids_to_tokens(kept):
        raise ModelError(f"a {type(tokenizer).__name__} cannot be reduced to some of its tokens; train with all")
    made.name_or_path = tokenizer.name_or_path
    return made
