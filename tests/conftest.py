"""Fixtures of all tests."""

import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _hears_ctrl_c() -> None:
    """Restore Ctrl-C, which some tests send; a shell ignores SIGINT in its background jobs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the public data sets; without it the tests that need it are skipped, except in CI."""
    folder = Path(os.environ.get("GEMMA_ST_DATA") or Path(__file__).parents[1] / "../shared/data").resolve()
    if not (folder / "msmarco").is_dir():
        reason = f"no data sets in {folder}: set GEMMA_ST_DATA to their folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Gemma with two layers and random weights, and of a tokenizer with a template for pairs."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import GemmaConfig, GemmaModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-gemma"
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<query>", "<document>"]
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(), Decoder()
    alphabet = ByteLevel.alphabet()  # every byte: no text is unknown
    trainer = BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([(Path(__file__).parents[1] / "LICENSE").read_text()], trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> <query> $A <document> $B <eos>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in special],
    )
    roles = {f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk")}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, padding_side="right", **roles
    ).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    GemmaModel(GemmaConfig(vocab_size=tokenizer.get_vocab_size(), **shape, **heads, **ids)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_reranker(tiny_gemma: Path) -> Path:
    """Folder of a saved cross-encoder with random weights: bidirectional ``tiny_gemma``, mean pooling and a head."""
    import torch

    from gemma_st.build import cross_encoder
    from gemma_st.hub.saving import save

    torch.manual_seed(0)
    return save(cross_encoder(tiny_gemma), tiny_gemma.parent / "tiny-reranker")
