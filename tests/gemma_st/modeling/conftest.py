"""A long text and a tokenizer, shared by the tests of truncation and of windows."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gemma_st.modeling.template import set_template

LONG = "license " * 60


@pytest.fixture(scope="module")
def tokenizer(tiny_gemma: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of ``tiny_gemma`` with the default template."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gemma)
    set_template(tokenizer)
    return tokenizer


def size(tokenizer: PreTrainedTokenizerBase, *texts: str) -> int:
    """Return the length of a text or a pair in tokens, template included."""
    return len(tokenizer(*texts).input_ids)
