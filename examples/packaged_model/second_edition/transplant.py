"""Write the weights of a BERT cross-encoder into a Gemma: a cross-encoder that ranks before any training.

    python transplant.py TEACHER LISTS OUT --units 512 --pairs 320

TEACHER is a directory or a hub id, LISTS the folder of lists.py. OUT becomes a model that sentence-transformers loads,
with `readings.safetensors` beside it, which distil.py needs: how the teacher's states are read off the student's.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from layers import write_layers
from positions import CLS_ID, EOS_ID, EXTRA, LONGEST, ROPE_STEP, SEP_ID, Marks, token_rows, write_positions
from safetensors.torch import save_file
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Pooling
from teacher import Teacher, pairs_of, student_tokenizer
from torch import Tensor, nn
from transformers import GemmaConfig, GemmaModel, PreTrainedTokenizerFast

from gemma_st import CrossEncoder
from gemma_st.modeling.backbone import backbone

HEAD_DIM = 32
STREAM = 20.0  # times larger than embeddings of norm 1, so that no weight is much smaller than others
ROWS = 32


def empty_student(teacher: Teacher, units: int) -> GemmaModel:
    """Return a bidirectional Gemma whose first layer knows text and position and whose other layers write nothing."""
    bert = teacher.model.bert
    heads, width = bert.config.num_attention_heads, bert.config.hidden_size + EXTRA
    config = GemmaConfig(
        vocab_size=bert.config.vocab_size,
        hidden_size=width,
        num_hidden_layers=bert.config.num_hidden_layers + 1,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=HEAD_DIM,
        intermediate_size=units,
        attention_bias=True,
        max_position_embeddings=LONGEST,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_STEP ** (HEAD_DIM // 2)},
        rms_norm_eps=1e-6,
        **{"pad_token_id": 0, "eos_token_id": EOS_ID, "bos_token_id": CLS_ID},
    )
    model = GemmaModel(config).eval()
    model.config.is_causal = False
    with torch.no_grad():
        for layer in model.layers:
            for parameter in (*layer.self_attn.parameters(), *layer.mlp.parameters()):
                parameter.zero_()
        words = bert.embeddings.word_embeddings.weight.clone()
        words[EOS_ID] = words[SEP_ID]
        rows, unit = token_rows(_centred(words))
        model.embed_tokens.weight.copy_(rows / width**0.5)
        Marks(model).write()
        tables = bert.embeddings.position_embeddings.weight[:LONGEST], bert.embeddings.token_type_embeddings.weight
        error = write_positions(model, *map(_centred, tables), unit=unit)
    print(f"positions: relative squared error {error:.5f}", flush=True)
    return model


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)


def batches_of(tokenizer: PreTrainedTokenizerFast, pairs: list[tuple[str, str]], longest: int = 128) -> list[Tensor]:
    """Return the ids of pairs of about equal length."""
    pairs = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
    options = {"padding": True, "truncation": "only_second", "max_length": longest, "return_tensors": "pt"}
    parts = [pairs[i : i + ROWS] for i in range(0, len(pairs), ROWS)]
    return [tokenizer(*map(list, zip(*part, strict=True)), **options)["input_ids"] for part in parts]


def enlarge(model: GemmaModel) -> None:
    """Scale the residual stream, which changes no output: every sublayer normalises what it reads."""
    with torch.no_grad():
        model.embed_tokens.weight.mul_(STREAM)
        for layer in model.layers:
            for parameter in (layer.self_attn.o_proj.weight, layer.self_attn.o_proj.bias, layer.mlp.down_proj.weight):
                parameter.mul_(STREAM)


def assemble(model: GemmaModel, tokenizer: PreTrainedTokenizerFast, head: tuple[nn.Linear, nn.Linear]) -> CrossEncoder:
    """Return the cross-encoder: the first token's state, the teacher's tanh layer and its classifier."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = backbone(folder)
    width, states = head[0].in_features, head[0].out_features
    hidden = Dense(width, states, activation_function=nn.Tanh())
    scores = Dense(states, 1, activation_function=nn.Identity(), module_output_name="scores")
    hidden.linear.load_state_dict(head[0].state_dict())
    scores.linear.load_state_dict(head[1].state_dict())
    modules = [transformer, Pooling(width, pooling_mode="cls"), hidden, scores]
    cross_encoder = CrossEncoder(modules=modules, activation_fn=nn.Identity(), max_length=tokenizer.model_max_length)
    cross_encoder.set_keep_in_fp32_modules(["3.linear"])
    return cross_encoder


@torch.no_grad()
def main(teacher_name: str, lists: Path, out: Path, *, units: int, pairs: int) -> None:
    """Write the model and the readings, the latter last."""
    teacher, tokenizer = Teacher(teacher_name), student_tokenizer(teacher_name, LONGEST)
    student = empty_student(teacher, units)
    batches = batches_of(tokenizer, pairs_of(lists / "00010.jsonl", pairs))
    readings = write_layers(student, teacher, batches)
    enlarge(student)
    last, dense = readings[-1], teacher.model.bert.pooler.dense
    pooler = nn.Linear(student.config.hidden_size, dense.out_features)
    pooler.weight.zero_()
    pooler.weight[:, : len(last.shift)] = dense.weight @ last.map
    pooler.bias.copy_(dense.weight @ last.shift + dense.bias)
    assemble(student, tokenizer, (pooler, teacher.model.classifier)).save_pretrained(str(out))
    tensors = {f"{depth}.map": reading.map.contiguous() for depth, reading in enumerate(readings)}
    save_file(tensors | {f"{d}.shift": r.shift for d, r in enumerate(readings)}, out / "readings.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher_name", metavar="TEACHER")
    parser.add_argument("lists", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--units", type=int, default=512, help="hidden units of a feed-forward block")
    parser.add_argument("--pairs", type=int, default=320, help="pairs that the layers are fitted on")
    main(**vars(parser.parse_args()))
