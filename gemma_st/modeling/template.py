"""The template that a text or a pair is put into, kept in tokenizer.json, where every later load applies it.

A template in code is forgotten by whoever loads the model with another class, and scores without it are near random.
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
    """Make a fast tokenizer put a pair into ``<bos> Query: … Document: … <eos>`` and a text into ``<bos> … <eos>``.

    The words around the fields are special tokens to the tokenizer, so truncation takes from the fields only. A blank
    before a field is dropped: as a token of its own it would say nothing.

    Args:
        tokenizer: Changed in place; a mark that it lacks is left out.
        pair: The template, with ``{query}`` and ``{document}`` once each in this order; ``None`` leaves a pair as it
            is, one text after the other.

    Raises:
        ModelError: The template lacks a field or has unknown words, or the tokenizer is not a fast one.
    """
    from tokenizers.processors import TemplateProcessing

    pair = "{query}{document}" if pair is None else pair
    parts = re.split(r"(\{query\}|\{document\})", pair)
    if parts[1::2] != list(FIELDS):
        raise ModelError(f"template {pair!r}: expected {{query}} and {{document}} once each, in this order")
    if not tokenizer.is_fast:
        raise ModelError(f"{type(tokenizer).__name__} is no fast tokenizer; add its tokenizer.json")
    first, last = tokenizer.bos_token, tokenizer.eos_token
    special: list[Any] = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (first, last) if token]
    names = []
    for part in parts:
        words = part.rstrip(" ")
        if part in FIELDS:
            names.append(FIELDS[part])
        elif words:
            ids = tokenizer(words, add_special_tokens=False).input_ids
            if tokenizer.unk_token_id in ids:
                raise ModelError(f"template words {words!r} hold what the tokenizer does not know; use others")
            names.append(f"<template-{len(names)}>")
            special.append({"id": names[-1], "ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids)})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=" ".join(filter(None, [first, "$A", last])),
        pair=" ".join(filter(None, [first, *names, last])),
        special_tokens=special,
    )
    # A tokenizer saved with these is rebuilt with a template of its own when it is loaded.
    for key in ("add_bos_token", "add_eos_token"):
        tokenizer.init_kwargs.pop(key, None)


def read_template(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Return the template of a pair as it is kept in the tokenizer, marks included; empty if it has none.

    Args:
        tokenizer: A fast tokenizer.
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
