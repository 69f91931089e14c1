"""What of a query is in a document word for word, written into a transplant once it is trained.

The vectors of a bi-encoder say little of rare words: that a passage holds the very name that was asked for, BM25 knows
better. One head more finds it out. Behind the layer that tells text and place, each token of the query looks for its
like (`first_edition.matching`); in the last layer the head takes the mean over the query of what was found, which
the output layer adds to the score. What was there before computes what it did.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from first_edition.folding import separate
from first_edition.grafting import LAST_WALL
from first_edition.matching import SPECIAL, Matcher, Sample, fit_matcher
from first_edition.positions import CONSTANT, EXTRA, OVERLAP, SIDE, STILL
from first_edition.rows import layout

if TYPE_CHECKING:
    from transformers import GemmaModel

    from gemma_st.cross_encoder import CrossEncoder

BATCH = 32
RARE, FOUND = 0.5, 1.0  # times the stream's constant: the rarest piece's mark, and what is added where it is found
SHARE = 0.05  # of the size of a gathered state, what the overlap has of it
LARGEST = 64.0  # of an output's weights, to stay where float8 is
FEW = 256  # pairs that sizes are measured on


@torch.no_grad()
def add_overlap(model: "CrossEncoder", pairs: Sequence[tuple[str, str]], *, weight: float) -> None:
    """Let the scores of a transplanted cross-encoder tell, too, what of the query is in the document.

    Args:
        model: What [first_edition.transplant.transplant_model][] made, trained or not; it is changed.
        pairs: Thousands of typical pairs, which the head learns on and in whose documents rarity is counted.
        weight: By how much a document with all of a query scores above one with nothing of it, on average.
    """
    rarity = count_rarity(model, [document for _, document in pairs])
    network = one_head_more(model[0].model)
    model[0].model = network
    constant = float(network.embed_tokens.weight[SPECIAL, CONSTANT - EXTRA])
    network.embed_tokens.weight[:, OVERLAP - EXTRA] = RARE * constant * rarity
    size = network.config.head_dim - 2 * STILL  # what turns with the distance is no likeness
    samples = read_by(model, pairs, depth=1)
    with torch.enable_grad():
        matcher = fit_matcher(samples, rarity, size=size)
    write_match(network, matcher, samples[: FEW // BATCH])
    some = pairs[:FEW]
    write_mean(network, read_by(model, some, depth=len(network.layers) - 1))
    _add_to_score(model, [query for query, _ in some], weight)


def count_rarity(model: "CrossEncoder", passages: Sequence[str]) -> Tensor:
    """Return each piece's inverse document frequency: 1 where it is in no passage, 0 for special ones.

    Args:
        model: The model whose pieces they are.
        passages: What to count in; one that comes twice counts once.
    """
    found: Counter[int] = Counter()
    distinct = list(dict.fromkeys(passages))
    for ids in model.tokenizer(distinct, add_special_tokens=False)["input_ids"]:
        found.update(set(ids))
    counts = torch.tensor([found[piece] for piece in range(len(model.tokenizer))])
    rarity = 1 - (counts + 1).log() / torch.tensor(len(distinct) + 1.0).log()
    rarity[:SPECIAL] = 0
    return rarity


def one_head_more(network: "GemmaModel") -> "GemmaModel":
    """Return a copy with one more head in each layer, which writes nothing yet.

    Args:
        network: A Gemma with as many keys as queries.
    """
    config = copy.deepcopy(network.config)
    config.num_attention_heads = config.num_key_value_heads = config.num_attention_heads + 1
    wider = type(network)(config).eval()
    given = network.state_dict()
    for name, tensor in wider.state_dict().items():
        tensor.zero_()
        tensor[tuple(slice(size) for size in given[name].shape)] = given[name]
    for layer in wider.layers:  # what nothing wrote to, nothing may have read
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
            linear.weight[:, OVERLAP - EXTRA] = 0
    return wider


def read_by(model: "CrossEncoder", pairs: Sequence[tuple[str, str]], *, depth: int) -> list[Sample]:
    """Return what a layer reads of pairs, in batches.

    Args:
        model: The model.
        pairs: The pairs.
        depth: The layer, counted from 0.
    """
    whole = model[0].model
    config = copy.deepcopy(whole.config)
    config.num_hidden_layers = depth
    part = type(whole)(config).eval()
    part.embed_tokens, part.layers = whole.embed_tokens, whole.layers[:depth]
    part.norm = whole.layers[depth].input_layernorm
    samples = []
    for start in range(0, len(pairs), BATCH):
        left, right = map(list, zip(*pairs[start : start + BATCH], strict=True))
        batch = model.tokenizer(left, right, padding=True, truncation="longest_first", return_tensors="pt")
        ids, row = batch["input_ids"], layout(batch["input_ids"])
        states = part(input_ids=ids, attention_mask=batch["attention_mask"]).last_hidden_state
        samples.append(Sample(states, ids, row.side, row.filled))
    return samples


def write_match(network: "GemmaModel", matcher: Matcher, samples: Sequence[Sample]) -> None:
    """Write a learned head into the second layer's last one.

    Args:
        network: What `one_head_more` made.
        matcher: The head.
        samples: Some of what that layer reads.
    """
    attention, dim = network.layers[1].self_attn, network.config.head_dim
    first = attention.q_proj.out_features - dim
    places = first + torch.tensor([pair + dim // 2 * half for pair in range(STILL, dim // 2) for half in (0, 1)])
    for learned, target in ((matcher.query, attention.q_proj), (matcher.key, attention.k_proj)):
        target.weight[places] = dim**0.25 * learned.weight  # a head divides by the root of its size
        target.bias[places] = dim**0.25 * learned.bias
    second = torch.cat([sample.states[sample.filled & (sample.side == 1)] for sample in samples])
    constant = network.embed_tokens.weight[SPECIAL, CONSTANT - EXTRA] * network.config.hidden_size**0.5
    attention.v_proj.weight[first, SIDE - EXTRA] = 1.0
    attention.o_proj.weight[OVERLAP - EXTRA, first] = _power(FOUND * constant / second[:, SIDE - EXTRA].median())


def write_mean(network: "GemmaModel", samples: Sequence[Sample]) -> None:
    """Let the last layer's last head take the mean over a text of what its tokens found.

    Args:
        network: What `write_match` was applied to.
        samples: Some of what that layer reads.
    """
    layer, dim = network.layers[-1], network.config.head_dim
    attention, rows = layer.self_attn, slice(layer.self_attn.q_proj.out_features - dim, None)
    states = torch.cat([sample.states[sample.filled] for sample in samples])
    query, key = (nn.Linear(states.shape[1], dim) for _ in range(2))
    for linear in (query, key):
        linear.weight.zero_()
    separate(query, key, states, head_dim=dim, logit=LAST_WALL)
    for linear, target in ((query, attention.q_proj), (key, attention.k_proj)):
        target.weight[rows] = linear.weight
    own = torch.cat([sample.states[sample.filled & (sample.side == 0)] for sample in samples])
    values = attention.v_proj(own)[:, :-dim]  # what the other heads take the mean of
    written = (values.mean(0) @ attention.o_proj.weight[:, :-dim].T).norm()
    gain = _power(SHARE * written / own[:, OVERLAP - EXTRA].mean())
    value = max(1.0, gain / LARGEST)
    attention.v_proj.weight[rows][0, OVERLAP - EXTRA] = value
    attention.o_proj.weight[OVERLAP - EXTRA, rows][0] = gain / value


def _power(number: Tensor | float) -> float:
    """Return the nearest power of two, which float8 holds."""
    return float(2.0 ** torch.as_tensor(number).log2().round())


def _add_to_score(model: "CrossEncoder", queries: Sequence[str], weight: float) -> None:
    """Add the mean of the query's text to what the head's last two units take away."""
    column = model[0].get_embedding_dimension() + OVERLAP - EXTRA
    found = []
    for documents in (queries, [""] * len(queries)):
        batch = model.tokenizer(list(queries), list(documents), padding=True, truncation=True, return_tensors="pt")
        features = model[1](model[0]({key: batch[key] for key in ("input_ids", "attention_mask")}))
        found.append(features["sentence_embedding"][:, column].mean())
    first, last = model[2].linear, model[3].linear
    slope = weight / (found[0] - found[1]) / (last.weight[0, -2] - last.weight[0, -1]) * 2
    first.weight[-2, column] += slope
    first.weight[-1, column] -= slope
