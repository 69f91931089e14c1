"""Cut a pretrained Gemma 3 down: fewer layers, fewer token embeddings, a narrower feed-forward network.

    python cut.py BASE OUT --texts FOLDER --layers 0,3,7,10,14,17 --vocabulary 32000 --intermediate 512

BASE is a directory or a hub id (google/gemma-3-270m). FOLDER is what lists.py wrote: its passages and queries are
what tokens are counted on and what feed-forward units are judged by. OUT is an ordinary Gemma 3 text model.

Vocabulary: the most frequent tokens stay, with all bytes and with every token through which byte-pair encoding
reaches them; so a text whose tokens all stay is tokenized as before, and any other text into shorter tokens.
Feed-forward: the units with the largest mean of `activation² · |output weights|²` stay.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
COUNTED, JUDGED = 200_000, 64  # texts


def sample(folder: Path, count: int) -> list[str]:
    """Draw passages and queries of all pools."""
    files = sorted(folder.glob("*/corpus.jsonl")) + sorted(folder.glob("*/queries.jsonl"))
    texts = [json.loads(line)["text"] for path in files for line in path.open(encoding="utf-8")]
    return Random(0).sample(texts, min(count, len(texts)))


def fewer_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], size: int
) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """Return a tokenizer with `size` tokens and the old id of each."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    old: dict[str, int] = state["model"]["vocab"]
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ", 1)) for pair in state["model"]["merges"]]
    rank = {pair: place for place, pair in enumerate(pairs)}
    # No token crosses a blank, so it is enough to tokenize every different word once.
    seen = Counter(word for text in texts for word in re.findall(r"^\S+| \S+|\s\s+", text))
    counts: Counter[int] = Counter()
    for (_, count), row in zip(seen.items(), tokenizer(list(seen), add_special_tokens=False).input_ids, strict=True):
        for number in row:
            counts[number] += count
    names = {number: token for token, number in old.items()}
    single = sorted(token for token in old if len(token) == 1 and token.isascii())
    kept = dict.fromkeys([*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *single, "▁"])
    template = tokenizer("Query: Document:", add_special_tokens=False).input_ids
    for number in [*template, *(number for number, _ in counts.most_common())]:
        path = [token for token in parts(names[number], rank) if token not in kept]
        if len(kept) + len(path) <= size:
            kept.update(dict.fromkeys(path))
    ids = {token: place for place, token in enumerate(kept)}
    state["model"]["vocab"] = ids
    state["model"]["merges"] = [list(pair) for pair in pairs if ids.keys() >= {*pair, "".join(pair)}]
    state["added_tokens"] = [
        token | {"id": ids[token["content"]]}
        for token in state["added_tokens"]
        if token["special"] and token["content"] in ids
    ]
    state["post_processor"] = None
    roles = {
        role: f"<{role.split('_')[0]}>" for role in ("pad_token", "eos_token", "bos_token", "unk_token", "mask_token")
    }
    new = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), padding_side="right", **roles)
    return new, [old[token] for token in kept]


def parts(token: str, rank: dict[tuple[str, str], int]) -> list[str]:
    """Return every token on the way from single characters to a token, itself last."""
    pieces, found = list(token), list(token)
    while len(pieces) > 1:
        place = min(range(len(pieces) - 1), key=lambda i: rank.get((pieces[i], pieces[i + 1]), len(rank)))
        if (pieces[place], pieces[place + 1]) not in rank:
            return [token]  # a byte or a special token, which no merge makes
        pieces[place : place + 2] = ["".join(pieces[place : place + 2])]
        found.append(pieces[place])
    return found


def fewer_layers(model: PreTrainedModel, layers: list[int]) -> None:
    """Keep the layers named."""
    model.layers = torch.nn.ModuleList(model.layers[layer] for layer in layers)
    model.config.layer_types = [model.config.layer_types[layer] for layer in layers]
    model.config.num_hidden_layers = len(layers)
    for place, layer in enumerate(model.layers):
        layer.layer_idx = layer.self_attn.layer_idx = place


@torch.no_grad()
def fewer_units(model: PreTrainedModel, rows: list[list[int]], size: int) -> None:
    """Keep the feed-forward units that write most on the given token ids."""
    energy = [torch.zeros(layer.mlp.down_proj.in_features) for layer in model.layers]
    hooks = [
        layer.mlp.down_proj.register_forward_pre_hook(
            lambda _, args, sum_=sum_: sum_.add_(args[0][:, 1:].square().sum((0, 1)))
        )
        for layer, sum_ in zip(model.layers, energy, strict=True)
    ]
    for row in rows:
        model(input_ids=torch.tensor([row]))
    for layer, sum_, hook in zip(model.layers, energy, hooks, strict=True):
        hook.remove()
        mlp, total = layer.mlp, sum_ * layer.mlp.down_proj.weight.square().sum(0)
        kept = total.topk(size).indices.sort().values
        print(f"feed-forward: {size} of {len(total)} units write {float(total[kept].sum() / total.sum()):.3f} of all")
        for name in ("gate_proj", "up_proj"):
            part = getattr(mlp, name)
            part.weight, part.out_features = torch.nn.Parameter(part.weight[kept].clone()), size
        mlp.down_proj.weight, mlp.down_proj.in_features = (
            torch.nn.Parameter(mlp.down_proj.weight[:, kept].clone()),
            size,
        )
    model.config.intermediate_size = size


def main(base: str, out: Path, texts: Path, layers: str, vocabulary: int, intermediate: int) -> None:
    """Cut and save."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModel.from_pretrained(base, dtype=torch.float32).eval()
    fewer_layers(model, [int(layer) for layer in layers.split(",")])
    drawn = sample(texts, COUNTED)
    small = tokenizer
    if vocabulary < len(tokenizer):
        small, ids = fewer_tokens(tokenizer, drawn, vocabulary)
        table = torch.nn.Parameter(model.embed_tokens.weight.detach()[ids].clone())
        model.embed_tokens.weight, model.embed_tokens.num_embeddings = table, len(ids)
        model.config.vocab_size = len(ids)
        for name in ("pad", "eos", "bos"):
            setattr(model.config, f"{name}_token_id", small.convert_tokens_to_ids(f"<{name}>"))
    model.config.is_causal = False
    if intermediate < model.config.intermediate_size:
        rows = small(drawn[:JUDGED], add_special_tokens=False).input_ids
        fewer_units(model, [[small.bos_token_id, *row[:200]] for row in rows], intermediate)
    model.save_pretrained(out)
    small.save_pretrained(out)
    whole = sum(map(len, tokenizer(drawn[:2000], add_special_tokens=False).input_ids))
    cut = sum(map(len, small(drawn[:2000], add_special_tokens=False).input_ids))
    size = sum(p.numel() for p in model.parameters())
    report = {"parameters": size, "tokens_before": whole, "tokens_after": cut}
    print(json.dumps(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("out", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--layers", default="0,3,7,10,14,17")
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--intermediate", type=int, default=512)
    main(**vars(parser.parse_args()))
