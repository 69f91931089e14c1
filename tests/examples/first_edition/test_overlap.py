"""Tests of first_edition.overlap and matching: exact words tell, and nothing else changes."""

from pathlib import Path

import pytest
import torch
from first_edition.float8 import spread
from first_edition.matching import SPECIAL, Sample, fit_matcher, shared
from first_edition.overlap import add_overlap, count_rarity
from first_edition.positions import EXTRA, OVERLAP, SIDE
from first_edition.shapes import TransplantConfig
from first_edition.transplant import transplant_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor
from transformers import BertConfig, BertModel

from gemma_st import CrossEncoder
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import LICENSE

WEIGHT = 0.5
TEXTS = [" ".join(text.split()) for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
SOME = [
    (TEXTS[i % len(TEXTS)][start : start + 40], TEXTS[(i * 7 + 3) % len(TEXTS)][start : start + 150])
    for i in range(40)
    for start in (0, 50)
]


@pytest.fixture(scope="module")
def plain(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transplant of a teacher with heads as wide as real ones, so that tokens can be told apart."""
    folder = tmp_path_factory.mktemp("overlap")
    tokenizer = SentenceTransformer(str(teacher), device="cpu").tokenizer
    torch.manual_seed(0)
    shape = {"hidden_size": 96, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    bert = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(96, "mean")], device="cpu")
    config = TransplantConfig(vocabulary=300, intermediate_size=120, max_length=64, pairs=24, head=24)
    transplant_model(bert, SOME, folder / "plain", config=config)
    return folder / "plain"


@pytest.fixture(scope="module")
def with_overlap(plain: Path) -> Path:
    """The same, with the overlap, as it is stored in float8."""
    model = CrossEncoder(str(plain))
    add_overlap(model, SOME, weight=WEIGHT)
    return save(model, plain.parent / "with-overlap", storage="float8_e4m3fn", exact=("layers.0.",))


def coverage(model: CrossEncoder, pairs: list[tuple[str, str]], rarity: Tensor) -> Tensor:
    """Return the mean rarity of each query's pieces, those that the document lacks counting 0."""
    found = []
    for pair in pairs:
        query, document = (model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in pair)
        found.append(sum(float(rarity[piece]) for piece in query if piece in document) / (len(query) + 2))
    return torch.tensor(found)


def test_the_score_gains_what_texts_share(plain: Path, with_overlap: Path) -> None:
    """In proportion to how rare it is, and by the weight that was asked for."""
    before, after = CrossEncoder(str(plain)), CrossEncoder(str(with_overlap))
    queries = [TEXTS[i][60:95] for i in range(0, len(TEXTS), 2)]
    pairs = [(query, TEXTS[(i * 5 + j) % len(TEXTS)][40:160]) for i, query in enumerate(queries) for j in range(6)]
    gain = torch.from_numpy(after.predict(pairs) - before.predict(pairs)).view(-1, 6)
    wanted = coverage(after, pairs, count_rarity(after, [document for _, document in SOME])).view(-1, 6)
    gain, wanted = (x - x.mean(1, keepdim=True) for x in (gain, wanted))  # it orders the documents of a query
    assert torch.corrcoef(torch.stack([gain.flatten(), wanted.flatten()]))[0, 1] > 0.6
    everything = [(query, query) for query, _ in SOME]
    nothing = [(query, "") for query, _ in SOME]
    full, none = (after.predict(pairs) - before.predict(pairs) for pairs in (everything, nothing))
    assert float((full - none).mean()) == pytest.approx(WEIGHT, rel=0.25)


def test_what_was_there_stays(plain: Path) -> None:
    """Every former weight is where it was, and what is new is a head a layer and a channel that nothing used."""
    before, after = CrossEncoder(str(plain)), CrossEncoder(str(plain))
    add_overlap(after, SOME[:32], weight=WEIGHT)
    assert after.config.num_attention_heads == before.config.num_attention_heads + 1
    former, now = before[0].model.state_dict(), after[0].model.state_dict()
    for name, tensor in former.items():
        kept = now[name][tuple(slice(size) for size in tensor.shape)].clone()
        if tensor.shape[-1] == before.config.hidden_size:
            kept[..., OVERLAP - EXTRA] = tensor[..., OVERLAP - EXTRA]
        assert torch.equal(kept, tensor), name


def test_batches_and_float8_do_not_change_it(with_overlap: Path, tmp_path: Path) -> None:
    """Scores are those of each pair alone; a second move to where float8 is fine moves nothing."""
    model = CrossEncoder(str(with_overlap))
    together, alone = model.predict(SOME[:6]), [model.predict([pair])[0] for pair in SOME[:6]]
    assert together == pytest.approx(alone, abs=1e-5)
    spread(model[0].model)
    again = CrossEncoder(str(save(model, tmp_path / "again", storage="float8_e4m3fn", exact=("layers.0.",))))
    assert again.predict(SOME[:6]) == pytest.approx(together, abs=1e-5)


def test_a_matcher_tells_pieces_apart_that_it_has_not_seen() -> None:
    """By their states, of 60 dimensions told by 23; special ones are like nothing."""
    torch.manual_seed(0)
    table, rarity = torch.randn(300, 60), torch.rand(300)
    rarity[:SPECIAL] = 0

    def sample(low: int, high: int) -> Sample:
        words = torch.randint(low, high, (16, 12))
        words[:, 6:9] = words[:, 1:4]
        ids = torch.cat([torch.full((16, 1), 2), words[:, :6], torch.full((16, 1), 4), words[:, 6:]], 1)
        side = (torch.arange(14) > 6).long().expand(16, 14)
        extra = torch.zeros(16, 14, EXTRA)
        extra[..., SIDE], extra[..., OVERLAP] = side, rarity[ids]
        states = torch.cat([table[ids] + 0.1 * torch.randn(16, 14, 60), extra], -1)
        return Sample(states, ids, side, torch.ones(16, 14, dtype=torch.bool))

    matcher = fit_matcher([sample(SPECIAL, 250) for _ in range(64)], rarity, size=24)
    held = sample(250, 300)
    wanted = shared(held, rarity)[:, :7]
    assert (wanted[:, 2:5] > 0).all()
    assert (wanted == 0).any()
    assert (matcher(held)[:, :7] - wanted).pow(2).mean() < 0.2 * wanted.var()
