"""Distillation of a bi-encoder into a cross-encoder, with every token a target.

Trained on scores alone, a cross-encoder without pretraining stays at chance: one number a pair says too little about
which token should look at which. A bi-encoder says it densely, since its token states of query and document can be
compared outside the model.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss, normalize, pad
from torch.nn.utils.rnn import pad_sequence

from first_edition.list_terms import label_entropy, list_divergence
from first_edition.student import teacher_ids
from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

SHAPES = 16  # lengths are padded to a multiple: CPU kernels are compiled anew for every shape

NO_MATCH, SHARPNESS = 0.5, 0.1  # the cosine below which two tokens are no match, and how fast attention falls there


class InteractionDistillationLoss(nn.Module):
    """Teach a cross-encoder its bi-encoder teacher's token states, token matches and list order.

    With the teacher's states t of query tokens Q and document tokens D, each text encoded alone:

    - states: ``mean over tokens i, layers (s → l) of 1 - cos(W_s h_i^s, t_i^l)``
    - attention: ``mean over i, l of KL(a_i^l ‖ attention of token i in one layer, mean of the heads given to l)``,
      where ``a_ij ∝ exp(cos(t_i^l, t_j^l) / .1)`` for the tokens j of the other text and ``a_i,bos ∝ exp(.5 / .1)``:
      a token without a match rests on ``<bos>``, so that the strength of a match can be read off linearly
    - matches: ``mean over i, l of (w_l · h_i - max_j cos(t_i^l, t_j^l))²``, j over the other text's tokens; l = 0 is
      the teacher's token table, so that an exact match is a target of its own; and one more of
      ``cos(t_i, mean_j t_j)`` in the teacher's last layer, of which its own score is made; w differs between the texts
    - scores: ``KL(softmax(cos(t_q, t_d) / τ) ‖ softmax(score))`` over each query's list
    - labels: ``-log softmax(score)`` of the document judged relevant

    Args:
        model: The cross-encoder to train; its tokenizer's pieces are a subset of the teacher's.
        teacher: A mean-pooled bi-encoder on BERT.
        layers: ``(student layer, teacher layer)`` pairs whose states are matched.
        attention: The student layer, counted from 0, whose heads learn to look at the other text.
        matches: The teacher layers whose token matches are targets.
        temperature: τ of the teacher's list distribution.
        weights: Weight of each of the five parts.

    Raises:
        ModelError: The model's longest input is no multiple of the length that batches are padded to.

    Inputs:
        | Texts                              | Labels            |
        |------------------------------------|-------------------|
        | (query, [document, …]) of any size | [relevance, …]    |

    References:
        TinyBERT (2020) for matched states; ColBERT (2020) for the maximum over the other text's tokens.
    """

    teacher_ids: Tensor  # the teacher's id of each of the student's pieces

    def __init__(
        self,
        model: "CrossEncoder",
        teacher: "SentenceTransformer",
        *,
        layers: tuple[tuple[int, int], ...] = ((2, 3), (3, 6)),
        attention: int = 2,
        matches: tuple[int, ...] = (0, 3, 6),
        temperature: float = 0.05,
        weights: dict[str, float] | None = None,
    ) -> None:
        """Prepare the maps from student to teacher, and make the student give its attention weights away."""
        super().__init__()
        if model.max_seq_length % SHAPES:
            raise ModelError(
                f"max_length={model.max_seq_length} is no multiple of {SHAPES}, to which batches are padded"
            )
        self.model = model
        self.layers, self.attention, self.matches, self.temperature = layers, attention, matches, temperature
        self.weights = {"states": 1.0, "attention": 0.5, "matches": 4.0, "scores": 1.0, "labels": 0.2} | (weights or {})
        model[0].model.set_attn_implementation("eager")  # the one that gives attention weights away
        self._teacher = [teacher.requires_grad_(False).eval()]  # in a list: neither trained nor saved with the loss
        width = model[0].get_embedding_dimension()
        linears = [nn.Linear(width, width, bias=False) for _ in layers]
        for linear in linears:
            nn.init.eye_(linear.weight)
        self.maps = nn.ModuleList(linears)
        self.match = nn.ModuleList(nn.Linear(width, len(matches) + 1) for _ in ("query", "document"))
        for parameter in self.match.parameters():
            nn.init.zeros_(parameter)
        ids = teacher_ids(teacher.tokenizer, model.tokenizer)
        self.register_buffer("teacher_ids", torch.tensor(ids), persistent=False)

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted parts, each a scalar."""
        if any(layer.self_attn.attention_dropout for layer in self.model[0].model.layers):
            raise ModelError("[dropout] attention would hide the attention that this loss teaches; set it to 0")
        queries, documents = inputs
        sizes = [len(texts) for texts in documents]
        pairs = [[query for query, n in zip(queries, sizes, strict=True) for _ in range(n)], sum(documents, [])]
        device = self.model.device
        batch = self.model.tokenizer(
            *pairs, padding=True, pad_to_multiple_of=SHAPES, truncation="longest_first", return_tensors="pt"
        )
        segment = torch.tensor([[-1 if s is None else s for s in e.sequence_ids] for e in batch.encodings])
        features = {key: batch[key].to(device) for key in ("input_ids", "attention_mask")}
        sides = [(segment == side).to(device) for side in (0, 1)]
        query, document = (self._encode_teacher(features["input_ids"], side) for side in sides)
        output = self.model[0].model(**features, output_hidden_states=True, output_attentions=True, use_cache=False)
        hidden = output.hidden_states
        # (tokens of one side over all pairs, width), in row order on both the student's and the teacher's side
        states = torch.stack(
            [
                1 - cosine_similarity(linear(hidden[ours][side]).float(), text["states"][theirs][text["mask"]]).mean()
                for side, text in zip(sides, (query, document), strict=True)
                for linear, (ours, theirs) in zip(self.maps, self.layers, strict=True)
            ]
        ).mean()
        matches, attention = self._interaction(hidden[-1], output.attentions[self.attention], sides, query, document)
        for module in list(self.model)[1:]:
            features = module(
                features if "token_embeddings" in features else features | {"token_embeddings": hidden[-1]}
            )
        scores = features["scores"].view(-1).float()
        cosines = cosine_similarity(query["pooled"], document["pooled"])
        parts = {
            "states": states,
            "attention": attention,
            "matches": matches,
            "scores": list_divergence(scores, cosines / self.temperature, sizes),
            "labels": label_entropy(scores, labels, sizes),
        }
        return {name: self.weights[name] * value for name, value in parts.items()}

    @torch.no_grad()
    def _encode_teacher(self, tokens: Tensor, side: Tensor) -> dict[str, Any]:
        """Encode one side of each pair alone: states per layer (pairs, length, width), mask of its own tokens, mean."""
        tokenizer, bert = self._teacher[0].tokenizer, self._teacher[0][0].model
        rows = [self.teacher_ids[row[mask]] for row, mask in zip(tokens, side, strict=True)]
        ends = torch.tensor([[tokenizer.cls_token_id], [tokenizer.sep_token_id]], device=tokens.device)
        ids = pad_sequence([torch.cat([ends[0], row, ends[1]]) for row in rows], batch_first=True)
        ids = pad(ids, (0, -ids.shape[1] % SHAPES))
        lengths = torch.tensor([len(row) for row in rows], device=tokens.device)[:, None]
        place = torch.arange(ids.shape[1], device=tokens.device)[None]
        output = bert(input_ids=ids, attention_mask=(place < lengths + 2).long(), output_hidden_states=True)
        words = bert.embeddings.word_embeddings.weight
        states = [(words[ids] - words.mean(0)).float(), *(h.float() for h in output.hidden_states[1:])]
        filled = (place < lengths + 2)[..., None]
        pooled = (states[-1] * filled).sum(1) / filled.sum(1)
        return {"states": states, "mask": (place >= 1) & (place <= lengths), "pooled": pooled}

    def _interaction(
        self, hidden: Tensor, weights: Tensor, sides: list[Tensor], query: dict[str, Any], document: dict[str, Any]
    ) -> tuple[Tensor, Tensor]:
        """Return the match and the attention part, from hidden (pairs, L, width) and weights (pairs, heads, L, L)."""
        seen = query["mask"][:, :, None] & document["mask"][:, None, :]
        heads = weights.float().clamp(min=1e-6).chunk(len(self.matches), dim=1)
        best: tuple[list[Tensor], list[Tensor]] = ([], [])
        attention = []
        for layer, group in zip(self.matches, heads, strict=True):
            left, right = (normalize(text["states"][layer], dim=-1) for text in (query, document))
            similarity = (left @ right.transpose(1, 2)).masked_fill(~seen, -1.0)  # (pairs, query, document)
            for side, (other, matrix) in enumerate(((document, similarity), (query, similarity.transpose(1, 2)))):
                own = matrix[(query, document)[side]["mask"]]  # (tokens, other length)
                best[side].append(own.amax(-1))
                attention.append(self._attention(group.mean(1), own, sides, side, other["mask"]))
        for side, (text, opposite) in enumerate(((query, document), (document, query))):
            whole = normalize(text["states"][-1], dim=-1) @ normalize(opposite["pooled"], dim=-1).unsqueeze(-1)
            best[side].append(whole.squeeze(-1)[text["mask"]])
        targets = [torch.stack(side, -1) for side in best]
        matches = [mse_loss(w(hidden[s]).float(), t) for w, s, t in zip(self.match, sides, targets, strict=True)]
        return torch.stack(matches).mean(), torch.stack(attention).mean()

    def _attention(self, weights: Tensor, own: Tensor, sides: list[Tensor], side: int, other: Tensor) -> Tensor:
        """Return the mean KL of one side's attention (pairs, L, L) from its similarities (tokens, J)."""
        rows = sides[side].nonzero()[:, 0]  # the pair of each token
        sink = torch.full_like(own[:, :1], NO_MATCH)
        target = torch.cat([sink, own.masked_fill(~other[rows], float("-inf"))], 1).div(SHARPNESS).softmax(-1)
        # Columns of the other text's tokens, moved to where the teacher has them, after <bos> in column 0.
        places = pad_sequence([mask.nonzero()[:, 0] for mask in sides[1 - side]], batch_first=True)
        columns = torch.zeros(len(places), other.shape[1] + 1, dtype=torch.long, device=own.device)
        columns[:, 2 : 2 + places.shape[1]] = places  # one for <bos>, one for the teacher's [CLS]
        given = weights[sides[side]].gather(1, columns[rows])
        divergence: Tensor = (torch.special.xlogy(target, target) - target * given.log()).sum(-1).mean()
        return divergence
