"""Special tokens that a text spells out, such as ``<eos>`` or ``[CLS]``, are read as plain text.

Stock tokenizers turn them into control tokens: a document could end the input, or hide a part of itself as padding.
The setting ``split_special_tokens`` of transformers prevents it, and is saved in tokenizer_config.json, where the stock
class reads it too. Two kinds of tokens need more: control tokens that are not marked as special, and those that the
vocabulary of a Unigram or word-level tokenizer contains as words.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

# Tokens of Gemma, Qwen and Llama that some of their tokenizers do not mark as special; HTML tags are text.
CONTROL = re.compile(r"<(mask|2mass|unused\d+|(start|end)_of_\w+)>|<\|\w+\|>|\[@BOS@\]|\[multimodal\]")


def read_as_text(tokenizer: "PreTrainedTokenizerBase") -> None:
    """Make a fast tokenizer read special tokens within a text as text; its template keeps its own tokens.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained("decoder")
        >>> read_as_text(tokenizer)
        >>> tokenizer.tokenize("a <eos>")
        ['Ġa', 'Ġ', '<', 'e', 'os', '>']
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        added = backend.get_added_tokens_decoder()
        unmarked = [token for token in added.values() if not token.special and CONTROL.fullmatch(token.content)]
        for token in unmarked:
            token.special = True
        backend.add_special_tokens(unmarked)
        backend.encode_special_tokens = True
        control = {token.content: number for number, token in added.items() if token.special}
        _split(backend, [name for name in _found(backend, control) if len(name) > 1])
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True


@contextmanager
def chat_as_text(tokenizer: "PreTrainedTokenizerBase") -> Iterator[None]:
    """Make a chat template read special tokens within the messages as text for a while, and keep its own tokens.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> tokenizer = AutoTokenizer.from_pretrained("decoder")
        >>> tokenizer.chat_template = "<bos>{{ messages[0].content }}"
        >>> with chat_as_text(tokenizer):
        ...     tokenizer.decode(tokenizer.apply_chat_template([{"content": "a <eos>"}])["input_ids"])
        '<bos> a <eos>'
    """
    render: Any = tokenizer.apply_chat_template

    def rendered(*given: Any, **options: Any) -> object:
        return render(*given, sanitize_control_tokens=options.get("tokenize", True), **options)

    vars(tokenizer)["apply_chat_template"] = rendered
    try:
        yield
    finally:
        del vars(tokenizer)["apply_chat_template"]


def control_tokens(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[str]:
    """Return the special tokens that are spelled out in one of the texts.

    Examples:
        >>> from transformers import AutoTokenizer
        >>> control_tokens(AutoTokenizer.from_pretrained("decoder"), ["a <eos>", "a license"])
        ['<eos>']
    """
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    marked = [text for text in texts if "<" in text or "[" in text]
    return sorted(token for token in special if any(token in text for text in marked))


def _found(backend: "Tokenizer", control: dict[str, int]) -> list[str]:
    """Return the control tokens that the tokenizer finds in their own text all the same."""
    encodings = backend.encode_batch(list(control), add_special_tokens=False)
    found = [{*compress(encoding.ids, encoding.attention_mask)} for encoding in encodings]  # without the padding
    return [name for (name, number), ids in zip(control.items(), found, strict=True) if number in ids]


def _split(backend: "Tokenizer", names: list[str]) -> None:
    """Split each name after its first character, before the vocabulary is searched for it as a word."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Sequence as Steps, Split

    if names:
        pattern = "|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in names)
        step = Split(Regex(pattern), "isolated")
        backend.pre_tokenizer = Steps([backend.pre_tokenizer, step]) if backend.pre_tokenizer else step
