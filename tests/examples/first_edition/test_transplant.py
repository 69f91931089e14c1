"""Tests of first_edition.transplant and its parts: a BERT's own numbers, out of a Gemma."""

import copy
from pathlib import Path

import pytest
import torch
from first_edition.folding import affine, low_rank, prune
from first_edition.grafting import TEMPERATURE, UNIT, product_head
from first_edition.positions import EXTRA, SIDE, token_rows, write_positions
from first_edition.rows import layout, pooled, teacher_states
from first_edition.shapes import TransplantConfig
from first_edition.student import teacher_ids
from first_edition.transplant import READINGS, empty_student, transplant_model
from sentence_transformers import SentenceTransformer
from torch import nn

from gemma_st import CrossEncoder, verify_bidirectional
from tests.gemma_st.conftest import LICENSE, PAIRS

CONFIG = TransplantConfig(vocabulary=300, intermediate_size=120, max_length=64, pairs=24, head=24)
TEXTS = [" ".join(text.split()) for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
SOME = [(TEXTS[i][:40], TEXTS[(i * 7 + 3) % len(TEXTS)][:200]) for i in range(len(TEXTS))]


@pytest.fixture(scope="module")
def bert(teacher: Path) -> SentenceTransformer:
    """The tiny teacher."""
    return SentenceTransformer(str(teacher), device="cpu")


@pytest.fixture(scope="module")
def transplanted(bert: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of its transplant."""
    directory = tmp_path_factory.mktemp("transplant") / "student"
    transplant_model(bert, SOME, directory, config=CONFIG)
    return directory


def test_it_is_a_bidirectional_gemma_of_stock_modules(transplanted: Path) -> None:
    """With a file of readings, and no backbone left over that export would carry along."""
    model = CrossEncoder(str(transplanted))
    verify_bidirectional(model)
    assert model.config.model_type == "gemma"
    assert all(type(module).__module__.startswith("sentence_transformers.") for module in model)
    assert model.tokenizer("a", "b").tokens() == ["<bos>", "a", "<eos>", "<sep>", "b", "<eos>"]
    assert (transplanted / READINGS).exists()
    assert model.max_seq_length == 64


def test_its_first_layer_tells_text_and_place(transplanted: Path, bert: SentenceTransformer) -> None:
    """Position embeddings that change smoothly, as trained ones do, are told apart by less than a twentieth."""
    model = CrossEncoder(str(transplanted))
    batch = model.tokenizer(*map(list, zip(*PAIRS, strict=True)), padding=True, return_tensors="pt")
    row = layout(batch["input_ids"])
    with torch.inference_mode():
        extra = model[0].model(**batch, output_hidden_states=True).hidden_states[1][..., -EXTRA:]
    side = extra[..., SIDE][row.filled] / extra[..., SIDE].max()
    assert torch.allclose(side, row.side[row.filled].float(), atol=1e-2)
    places = torch.arange(1, 65)[:, None] / torch.arange(3, 27)
    words = bert[0].model.embeddings.word_embeddings.weight[5:205].detach()
    student = empty_student(bert[0].model, CONFIG, ids=torch.arange(5, 205))
    rows, unit = token_rows(words - words.mean(1, keepdim=True))
    with torch.no_grad():
        student.embed_tokens.weight.copy_(rows / student.config.hidden_size**0.5)
    assert write_positions(student, places.sin(), unit) < 0.05


def test_its_first_layer_gives_the_teachers_embeddings(bert: SentenceTransformer) -> None:
    """Words and places together, in the teacher's proportion: what the next layers are fitted to."""
    teacher = copy.deepcopy(bert[0].model)
    tables = teacher.embeddings
    with torch.no_grad():
        places = torch.arange(1, 65)[:, None] / torch.arange(3, 27)
        tables.position_embeddings.weight.copy_(places.sin() * tables.word_embeddings.weight.std())
    ids = torch.tensor([0, 3, 2, 1, 2, *range(5, 205)])  # [PAD], [SEP], [CLS], [UNK], [CLS]: the teacher's of SPECIAL
    student = empty_student(teacher, CONFIG, ids=ids)
    batch = torch.tensor([[2, *range(20, 30), 1, 4, *range(60, 100), 1, 0, 0]])
    row = layout(batch)
    with torch.no_grad():
        stream = student(input_ids=batch, output_hidden_states=True).hidden_states[1][..., :-EXTRA]
        found = tables.LayerNorm(stream / stream.std(-1, keepdim=True))[row.filled]
        wanted = teacher_states(teacher, ids[batch], row)[0][0][row.filled]
    assert (found - wanted).norm() < 0.1 * wanted.norm()


def test_it_scores_as_its_teacher_does(transplanted: Path, bert: SentenceTransformer) -> None:
    """On pairs it was not fitted on, before any training; as far as two dimensions a head are enough for content."""
    held = [(TEXTS[i][20:60], TEXTS[(i * 5 + 1) % len(TEXTS)][50:250]) for i in range(len(TEXTS))]
    model = CrossEncoder(str(transplanted))
    batch = model.tokenizer(*map(list, zip(*held, strict=True)), padding=True, truncation=True, return_tensors="pt")
    row, ids = layout(batch["input_ids"]), torch.tensor(teacher_ids(bert.tokenizer, model.tokenizer))
    states, _ = teacher_states(bert[0].model, ids[batch["input_ids"]], row)
    cosines = (pooled(states[-1], row, 0) * pooled(states[-1], row, 1)).sum(1)
    scores = torch.from_numpy(model.predict(held))
    assert torch.corrcoef(torch.stack([scores, cosines]))[0, 1] > 0.4


def test_a_row_is_two_texts_that_do_not_see_each_other(bert: SentenceTransformer) -> None:
    """The teacher's states are those of each text alone."""
    first, second = ([*bert.tokenizer(text)["input_ids"]] for text in PAIRS[0])
    ours = torch.tensor([[2, *[9] * (len(first) - 2), 1, 4, *[9] * (len(second) - 2), 1, 0]])
    ids = torch.tensor([[*first, *second, 0]])
    row = layout(ours)
    assert row.place[0].tolist() == [*range(len(first)), *range(len(second) + 1)]
    states, attended = teacher_states(bert[0].model, ids, row)
    assert len(states) == len(attended) + 1
    vectors = torch.from_numpy(bert.encode(list(PAIRS[0]), normalize_embeddings=True))
    for side in (0, 1):
        assert torch.allclose(pooled(states[-1], row, side)[0], vectors[side], atol=1e-5)


def test_low_rank_keeps_the_attention_where_states_lie() -> None:
    """States of four directions need four dimensions; what is the same for all keys may differ."""
    torch.manual_seed(0)
    states = torch.randn(200, 4) @ torch.randn(4, 16) + 1
    query, key = nn.Linear(16, 8), nn.Linear(16, 8)
    with torch.no_grad():
        queries, keys = low_rank(query, key, states, rank=5)
        found = (states @ queries[:, :16].T + queries[:, 16]) @ (states @ keys.T).T
        wanted = query(states) @ key(states).T
    assert torch.allclose(found.softmax(1), wanted.softmax(1), atol=1e-3)


def test_prune_drops_the_units_that_others_stand_in_for() -> None:
    """Of doubled units one is enough, and the output stays."""
    torch.manual_seed(0)
    half, down = torch.randn(300, 6), torch.randn(5, 12)
    active = torch.cat([half, 2 * half + 1], 1)
    units, weight, shift = prune(active, down, kept=6)
    assert len({int(unit) % 6 for unit in units}) == 6
    assert torch.allclose(active[:, units] @ weight.T + shift, active @ down.T, atol=1e-2)


def test_affine_is_a_linear_layer() -> None:
    """Weight and bias."""
    torch.manual_seed(0)
    inputs, linear = torch.randn(100, 4), nn.Linear(4, 3)
    with torch.no_grad():
        weight, bias = affine(inputs, linear(inputs), strength=1e-9)
    assert torch.allclose(weight, linear.weight, atol=1e-4)
    assert torch.allclose(bias, linear.bias, atol=1e-4)


def test_the_head_multiplies() -> None:
    """Its two halves, normalised as Gemma's last norm leaves them, far larger along one axis as texts' means are."""
    torch.manual_seed(0)
    width = 384
    axes = torch.linalg.qr(torch.randn(width, width))[0]
    left, right = torch.randn(2, 50, width) + 15 * axes[:, 0]
    first, second = product_head(axes, rank=width)
    halves = [
        nn.functional.normalize(nn.functional.pad(x, (0, EXTRA)), dim=1) * (width + EXTRA) ** 0.5 for x in (left, right)
    ]
    with torch.no_grad():
        scores = second(nn.functional.gelu(first(torch.cat(halves, 1))))[:, 0]
    cosines = nn.functional.cosine_similarity(left, right)
    assert torch.allclose(scores / TEMPERATURE / UNIT, cosines, atol=0.03)
    assert torch.corrcoef(torch.stack([scores, cosines]))[0, 1] > 0.999
