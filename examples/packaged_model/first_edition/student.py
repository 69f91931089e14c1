"""A small Gemma to begin with, made from a trained BERT-like sentence encoder.

Vocabulary, token table and attention projections come from the teacher; norms and feed-forward layers start fresh.
Nothing scores yet: [first_edition.interaction][] teaches that. The result is a plain Gemma checkpoint on disk.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from first_edition.shapes import StudentConfig
from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel, GemmaModel, PreTrainedTokenizerFast

# teacher's special token → ours, in the order of Gemma's ids
SPECIAL = {"[PAD]": "<pad>", "[SEP]": "<eos>", "[CLS]": "<bos>", "[UNK]": "<unk>"}


def student_tokenizer(
    teacher: "PreTrainedTokenizerFast", texts: Iterable[str], config: StudentConfig
) -> "PreTrainedTokenizerFast":
    """Keep the word pieces that the texts need most, and add the pair template ``query: … document: …``.

    A word in ASCII whose piece is dropped is spelled with shorter pieces; a character of another script that is too
    rare in the texts becomes unknown.

    Args:
        teacher: The teacher's fast WordPiece tokenizer.
        texts: What to count pieces on.
        config: The student's shape.
    """
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = fewer_pieces(teacher, texts, special=tuple(SPECIAL.values()), size=config.vocabulary)
    ids = tokenizer.get_vocab()

    def fixed(name: str, *words: str) -> dict[str, Any]:
        return {"id": name, "ids": [ids[word] for word in words], "tokens": list(words)}

    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> <query> $A <document> $B <eos>",
        special_tokens=[
            fixed("<bos>", "<bos>"),
            fixed("<eos>", "<eos>"),
            fixed("<query>", "query", ":"),
            fixed("<document>", "document", ":"),
        ],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=config.max_length,
        padding_side="right",
        **{f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk")},
    )


def fewer_pieces(
    teacher: "PreTrainedTokenizerFast", texts: Iterable[str], *, special: tuple[str, ...], size: int
) -> "Tokenizer":
    """Return a teacher's tokenizer with the special tokens and the word pieces that texts need most, and no template.

    Args:
        teacher: The teacher's fast WordPiece tokenizer.
        texts: What to count pieces on.
        special: Special tokens, by id; ``<unk>`` among them.
        size: How many pieces, the special tokens included.
    """
    import json

    from tokenizers import Tokenizer

    pieces = [*special, *_frequent(teacher, texts, size - len(special), special=len(special))]
    state = json.loads(teacher.backend_tokenizer.to_str())
    state["model"]["vocab"] = {piece: index for index, piece in enumerate(pieces)}
    state["model"]["unk_token"] = SPECIAL["[UNK]"]
    state["added_tokens"], state["post_processor"] = [], None
    state["truncation"], state["padding"] = None, None
    return Tokenizer.from_str(json.dumps(state))


def _frequent(teacher: "PreTrainedTokenizerFast", texts: Iterable[str], size: int, *, special: int) -> list[str]:
    vocabulary = teacher.get_vocab()
    counts: Counter[str] = Counter()
    for text, times in Counter(texts).items():  # a passage is in many lists
        for piece in teacher.tokenize(text):
            counts[piece] += times
    # Single characters keep every word spellable; the template's words must be there too.
    needed = {p for p in vocabulary if len(p.removeprefix("##")) == 1 and p.isascii()} | {"query", "document", ":"}
    ranked = sorted(vocabulary, key=lambda piece: (piece not in needed, -counts[piece], vocabulary[piece]))
    kept = [piece for piece in ranked if piece not in teacher.all_special_tokens][:size]
    if not len(needed) <= size == len(kept):
        raise ModelError(
            f"vocabulary={size + special} cannot be had of the teacher's {len(vocabulary)} pieces; "
            f"ask for fewer, and for at least the {len(needed) + special} that spelling needs"
        )
    return sorted(kept, key=vocabulary.__getitem__)


def teacher_ids(teacher: "PreTrainedTokenizerFast", tokenizer: "PreTrainedTokenizerFast") -> list[int]:
    """Return the teacher's id of each of the student's pieces, by student id."""
    # <sep> opens the second text of a transplant's pair, and is as if that text were alone.
    to_teacher = {ours: theirs for theirs, ours in SPECIAL.items()} | {"<sep>": "[CLS]"}
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    ids: list[int] = teacher.convert_tokens_to_ids([to_teacher.get(piece, piece) for piece in pieces])
    return ids


def student_model(teacher: "BertModel", ids: list[int], config: StudentConfig) -> "GemmaModel":
    """Return a bidirectional Gemma of the teacher's width that starts from its token table and attention projections.

    Args:
        teacher: The teacher's BERT model.
        ids: The teacher's id of each piece of the student's vocabulary.
        config: The student's shape.
    """
    import torch
    from transformers import GemmaConfig, GemmaModel

    wide = teacher.config
    torch.manual_seed(config.seed)
    gemma = GemmaConfig(
        vocab_size=len(ids),
        hidden_size=wide.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=wide.num_attention_heads,
        num_key_value_heads=wide.num_attention_heads,
        head_dim=wide.hidden_size // wide.num_attention_heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=config.max_length,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    student = GemmaModel(gemma)
    student.config.is_causal = False
    with torch.no_grad():
        table = teacher.embeddings
        words = table.word_embeddings.weight[ids] + table.token_type_embeddings.weight[0]
        # Gemma multiplies its table by √width on the way in.
        student.embed_tokens.weight.copy_(table.LayerNorm(words) / wide.hidden_size**0.5)
        for index, layer in enumerate(student.layers):
            source = teacher.encoder.layer[round(index * (len(teacher.encoder.layer) - 1) / max(1, config.layers - 1))]
            layer.self_attn.q_proj.weight.copy_(source.attention.self.query.weight)
            layer.self_attn.k_proj.weight.copy_(source.attention.self.key.weight)
            layer.self_attn.v_proj.weight.copy_(source.attention.self.value.weight)
            layer.self_attn.o_proj.weight.copy_(source.attention.output.dense.weight)
    return student
