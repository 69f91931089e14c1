"""One attention head that finds a token's like in the other text, learned where exact answers are known."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from first_edition.positions import EXTRA, OVERLAP, SIDE

CLOSENESS = 16.0  # nats that a token has for its like at first, itself included
PASSES, RATE = 8, 2e-2  # over the batches, and of the mean weight
SPECIAL = 5  # pieces before this id are no words


class Sample(NamedTuple):
    """A batch of pairs, as the head reads it."""

    states: Tensor  # (pairs, length, width + extra channels), normalised
    ids: Tensor  # (pairs, length)
    side: Tensor  # 0 in the first text, 1 in the second
    filled: Tensor  # no padding


class Matcher(nn.Module):
    """Attention of a query's tokens to their like: how much of it goes to the document.

    A token is most like itself, so that its attention stays with it unless the document has another of its kind, which
    gets more the rarer the token is: the logit is ``query(x) · key(y)``, with one dimension for how rare x is times
    the side of y.

    Args:
        states: Typical states, (tokens, width + extra channels): what is common to all of them is no likeness.
        size: How many dimensions the head has.
    """

    def __init__(self, states: Tensor, size: int) -> None:
        """Begin with a random projection of whitened states."""
        super().__init__()
        own = states[:, :-EXTRA]
        mean = own.mean(0)
        values, vectors = torch.linalg.eigh((own - mean).T @ (own - mean) / len(own))
        whitened = vectors / values.clamp(min=float(values.max()) * 1e-3).sqrt()
        random = torch.randn(len(values), size - 1, generator=torch.Generator().manual_seed(0))
        weight = torch.linalg.qr(random).Q.T @ whitened.T
        weight *= (CLOSENESS / float(((own - mean) @ weight.T).pow(2).sum(1).mean())) ** 0.5
        self.query, self.key = (nn.Linear(states.shape[1], size) for _ in range(2))
        with torch.no_grad():
            for linear in (self.query, self.key):
                linear.weight.zero_()
                linear.bias.zero_()
                linear.weight[:-1, :-EXTRA] = weight
                linear.bias[:-1] = -weight @ mean
            self.key.weight[-1, SIDE - EXTRA] = 3.0 / states[:, SIDE - EXTRA].quantile(0.99)
            self.query.weight[-1, OVERLAP - EXTRA] = 2.0 / states[:, OVERLAP - EXTRA].max()
            self.query.bias[-1] = -1.0

    def forward(self, sample: Sample) -> Tensor:
        """Return the share of each token's attention that goes to the second text, (pairs, length).

        Args:
            sample: The pairs.
        """
        logits = self.query(sample.states) @ self.key(sample.states).transpose(1, 2)
        weights = logits.masked_fill(~sample.filled[:, None], float("-inf")).softmax(-1)
        to_second: Tensor = (weights @ sample.side[..., None].float())[..., 0]
        return to_second


def shared(sample: Sample, rarity: Tensor) -> Tensor:
    """Return how rare each token is, (pairs, length); 0 where the other text has none of its kind.

    Args:
        sample: The pairs.
        rarity: Of each piece, 0 for special ones.
    """
    same = sample.ids[:, :, None] == sample.ids[:, None]
    other = sample.side[:, :, None] != sample.side[:, None]
    return (same & other & sample.filled[:, None]).any(-1) * rarity[sample.ids]


def fit_matcher(samples: list[Sample], rarity: Tensor, *, size: int) -> Matcher:
    """Learn to tell what `shared` knows of the first text's tokens.

    Args:
        samples: Pairs, of real texts.
        rarity: Of each piece, 0 for special ones.
        size: How many dimensions the head has.
    """
    matcher = Matcher(torch.cat([sample.states[sample.filled] for sample in samples[:64]]), size)
    rate = RATE * float(matcher.query.weight.detach().abs().mean())
    optimizer = torch.optim.Adam(matcher.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, PASSES * len(samples))
    random = torch.Generator().manual_seed(0)
    for _ in range(PASSES):
        for place in torch.randperm(len(samples), generator=random).tolist():
            sample = samples[place]
            asked = sample.filled & (sample.side == 0)
            optimizer.zero_grad()
            (matcher(sample) - shared(sample, rarity))[asked].pow(2).mean().backward()
            optimizer.step()
            schedule.step()
    return matcher.requires_grad_(False)
