"""A Gemma cross-encoder that scores like a BERT bi-encoder from its first step, to be trained into more.

A cross-encoder can hold a bi-encoder: two texts in one row that do not attend to each other until the end, where their
means are multiplied. The first layer finds text and position of each token (`first_edition.positions`), the next
ones are the teacher's, rewritten (`first_edition.grafting`), the last gathers each text's mean in every token of
it, and the head multiplies what ``<bos>`` and the last ``<eos>`` hold. Nothing keeps it from attending to the other
text once it is trained: the wall between the texts is a weight like any other.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from first_edition.grafting import TEMPERATURE, UNIT, product_head, transplant
from first_edition.positions import EXTRA, rope_theta, token_rows, write_marks, write_positions
from first_edition.shapes import TransplantConfig
from first_edition.student import SPECIAL, fewer_pieces, teacher_ids

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel, GemmaModel, PreTrainedTokenizerFast

    from gemma_st.cross_encoder import CrossEncoder

BATCH = 32
READINGS = "readings.safetensors"


def transplant_tokenizer(
    teacher: "PreTrainedTokenizerFast", texts: Iterable[str], config: TransplantConfig
) -> "PreTrainedTokenizerFast":
    """Return the teacher's tokenizer with fewer pieces and the template ``<bos> query <eos> <sep> document <eos>``."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = fewer_pieces(teacher, texts, special=(*SPECIAL.values(), "<sep>"), size=config.vocabulary)
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> <sep> $B <eos>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<bos>", "<eos>", "<sep>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=config.max_length,
        padding_side="right",
        **{f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk", "sep")},
    )


def empty_student(bert: "BertModel", config: TransplantConfig, *, ids: Tensor) -> "GemmaModel":
    """Return a Gemma whose first layer knows text and position, and whose other layers write nothing yet."""
    from transformers import GemmaConfig, GemmaModel

    wide = bert.config
    width, dim = wide.hidden_size + EXTRA, wide.hidden_size // wide.num_attention_heads
    torch.manual_seed(0)  # what is left over of the gates is random
    student = GemmaModel(
        GemmaConfig(
            vocab_size=len(ids),
            hidden_size=width,
            num_hidden_layers=wide.num_hidden_layers + 2,
            num_attention_heads=wide.num_attention_heads,
            num_key_value_heads=wide.num_attention_heads,
            head_dim=dim,
            intermediate_size=config.intermediate_size,
            attention_bias=True,
            max_position_embeddings=config.max_length,
            rope_parameters={"rope_type": "default", "rope_theta": rope_theta(dim, config.max_length)},
            rms_norm_eps=1e-9,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        )
    ).eval()
    student.config.is_causal = False
    tables = bert.embeddings
    with torch.no_grad():
        for layer in student.layers:
            for parameter in layer.self_attn.parameters():
                parameter.zero_()
            layer.mlp.down_proj.weight.zero_()
        for parameter in student.layers[0].mlp.parameters():
            parameter.zero_()
        words = tables.word_embeddings.weight[ids] + tables.token_type_embeddings.weight[0]
        rows, unit = token_rows(words - words.mean(1, keepdim=True))
        student.embed_tokens.weight.copy_(rows / width**0.5)
        write_marks(student, config.max_length)
        places = tables.position_embeddings.weight[: config.max_length]
        write_positions(student, places - places.mean(1, keepdim=True), unit)
    return student


def _assemble(base: Path, head: tuple[nn.Linear, nn.Linear]) -> "CrossEncoder":
    """Return the cross-encoder of a saved backbone: the first and the last token's states, and the head."""
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Pooling

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.modeling.backbone import backbone

    transformer, (first, second) = backbone(base), head
    hidden = Dense(first.in_features, first.out_features, activation_function=nn.GELU())
    scores = Dense(second.in_features, 1, activation_function=nn.Identity(), module_output_name="scores")
    hidden.linear.load_state_dict(first.state_dict())
    scores.linear.load_state_dict(second.state_dict())
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode=("cls", "lasttoken"))
    model = CrossEncoder(modules=[transformer, pooling, hidden, scores], activation_fn=nn.Identity())
    model.set_keep_in_fp32_modules(["3.linear"])
    return model


@torch.no_grad()
def _calibrate(model: "CrossEncoder", scores: Tensor, wanted: Tensor) -> None:
    """Scale and shift the scores to be closest to the wanted ones."""
    last = model[-1].linear
    slope = ((scores - scores.mean()) * (wanted - wanted.mean())).sum() / (scores - scores.mean()).pow(2).sum()
    last.weight.mul_(slope)
    last.bias.copy_(last.bias * slope + wanted.mean() - slope * scores.mean())


def transplant_model(
    teacher: "SentenceTransformer", pairs: Sequence[tuple[str, str]], directory: Path, *, config: TransplantConfig
) -> None:
    """Write a transplanted cross-encoder, and beside it how the teacher's states are read off its stream.

    Args:
        teacher: A mean-pooled bi-encoder on BERT.
        pairs: Typical pairs; the first few are run through both, all are counted for the vocabulary.
        directory: Where the model and ``readings.safetensors`` go; the latter is written last.
        config: What is chosen.

    Raises:
        ModelError: The teacher's heads are too small, its texts too short, or the layers too narrow for positions.
    """
    from safetensors.torch import save_file

    from gemma_st.hub.saving import save

    bert = teacher[0].model
    tokenizer = transplant_tokenizer(teacher.tokenizer, (text for pair in pairs for text in pair), config)
    ids = torch.tensor(teacher_ids(teacher.tokenizer, tokenizer))
    student = empty_student(bert, config, ids=ids)
    some = sorted(pairs[: config.pairs], key=lambda pair: len(pair[0]) + len(pair[1]))
    batches = [
        tokenizer(
            *map(list, zip(*some[i : i + BATCH], strict=True)),
            padding=True,
            truncation="longest_first",
            return_tensors="pt",
        )["input_ids"]
        for i in range(0, len(some), BATCH)
    ]
    readings, axes, cosines = transplant(student, bert, batches, ids=ids)
    base = directory / "backbone"
    tokenizer.save_pretrained(base)
    student.save_pretrained(base)
    model = _assemble(base, product_head(axes, rank=config.head))
    _calibrate(model, torch.from_numpy(model.predict(some)), TEMPERATURE * UNIT * cosines)
    save(model, directory)
    tensors = {f"readings.{depth}.weight": reading.map.contiguous() for depth, reading in enumerate(readings)}
    tensors |= {f"readings.{depth}.bias": reading.shift for depth, reading in enumerate(readings)}
    save_file(tensors, directory / READINGS)
