"""The template around a pair of query and document, stored in tokenizer.json, where every later load applies it.

A template that is applied in code is lost as soon as another class loads the model, and scores without the template
are close to random.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAIR = "Query: {query} Document: {document}"
FIELDS = {"{query}": "$A", "{document}": "$B"}


def set_template(tokenizer: "PreTrainedTokenizerBase", pair: str | None = PAIR) -> None:
    """Make a fast tokenizer encode a pair as ``<bos> Query: … Document: … <eos>`` and a text as ``<bos> … <eos>``.

    The words of the template are special tokens, so truncation shortens the query and the document only. A space
    before a field is dropped: the tokenizer would encode it as a separate token.

    Args:
        tokenizer: The tokenizer, changed in place; a begin or end token that it lacks is left out.
        pair: The template, with ``{query}`` and ``{document}`` once each in this order; ``None`` puts the two texts
            of a pair one after the other.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained("decoder")
        >>> set_template(tokenizer, "Q: {query} A: {document}")
        >>> read_template(tokenizer)
        '<bos> Q: {query} A: {document} <eos>'
    """
    from tokenizers.processors import TemplateProcessing

    pair = "{query}{document}" if pair is None else pair
    parts = re.split(r"(\{query\}|\{document\})", pair)
    if parts[1::2] != list(FIELDS):
        raise ModelError(f"template {pair!r}: expected {{query}} and {{document}} once each, in this order")
    if not tokenizer.is_fast:
        raise ModelError(f"{type(tokenizer).__name__} is not a fast tokenizer; add its tokenizer.json")
    first, last = tokenizer.bos_token, tokenizer.eos_token
    special: list[Any] = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (first, last) if token]
    names = []
    for part in parts:
        words = part.rstrip(" ")
        if part in FIELDS:
            names.append(FIELDS[part])
        elif words:
            ids = tokenizer(words, add_special_tokens=False, split_special_tokens=False).input_ids
            if tokenizer.unk_token_id in ids:
                raise ModelError(f"template words {words!r} contain characters unknown to the tokenizer; use others")
            names.append(f"<template-{len(names)}>")
            special.append({"id": names[-1], "ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids)})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=" ".join(filter(None, [first, "$A", last])),
        pair=" ".join(filter(None, [first, *names, last])),
        special_tokens=special,
    )
    # With these keys in tokenizer_config.json, transformers would replace the template at the next load.
    for key in ("add_bos_token", "add_eos_token"):
        tokenizer.init_kwargs.pop(key, None)


def read_template(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Return the template of a pair that a fast tokenizer stores, with begin and end tokens; empty if it has none.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> read_template(AutoTokenizer.from_pretrained("reranker"))
        '<bos> Query: {query} Document: {document} <eos>'
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())["post_processor"] or {}
    fields = dict(zip("AB", FIELDS, strict=True))
    words: list[str] = []
    for part in state.get("pair", []):
        if "Sequence" in part:
            words.append(fields[part["Sequence"]["id"]])
        else:
            tokens = state["special_tokens"][part["SpecialToken"]["id"]]["tokens"]
            words.append(tokenizer.convert_tokens_to_string(tokens).strip())
    return " ".join(words)
