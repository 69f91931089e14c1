"""A small random BERT cross-encoder as teacher, lists of its vocabulary, and the recipe's scripts as modules."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

RECIPE = Path(__file__).parents[3] / "examples/packaged_model/second_edition"
WORDS = ["token", *(f"w{number}" for number in range(3000))]


@pytest.fixture(scope="session", autouse=True)
def _recipe() -> None:
    sys.path.insert(0, str(RECIPE))


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a teacher with BERT's special tokens at BERT's ids."""
    folder = tmp_path_factory.mktemp("teacher")
    vocabulary = {f"[unused{number - 1}]": number for number in range(1, 100)} | {"[PAD]": 0, "[UNK]": 100}
    vocabulary |= {"[CLS]": 101, "[SEP]": 102, "[MASK]": 103} | {word: 104 + i for i, word in enumerate(WORDS)}
    backend = Tokenizer(WordPiece(vocabulary))
    backend.normalizer, backend.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    roles = {f"{role}_token": token for role, token in names.items()}
    PreTrainedTokenizerFast(tokenizer_object=backend, **roles).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 256}
    config = BertConfig(vocab_size=104 + len(WORDS), num_labels=1, initializer_range=0.08, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with twelve shards of lists."""
    folder, random = tmp_path_factory.mktemp("lists"), np.random.default_rng(0)

    def text(words: int) -> str:
        return " ".join(random.choice(WORDS, words))

    for shard in range(12):
        rows = [{"query": text(6), "documents": [text(random.integers(10, 40)) for _ in range(4)]} for _ in range(48)]
        (folder / f"{shard:05}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
