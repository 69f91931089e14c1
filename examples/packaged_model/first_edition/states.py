"""Distillation of a bi-encoder into its transplant: every token's state at every depth, means, scores and labels."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from first_edition.grafting import TEMPERATURE, UNIT
from first_edition.list_terms import label_entropy, list_divergence
from first_edition.positions import EXTRA
from first_edition.rows import Row, averaged, layout, pooled, teacher_states
from first_edition.student import teacher_ids
from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from transformers import PreTrainedModel

SHAPES = 32  # lengths are padded to a multiple: CPU kernels are compiled anew for every shape
OUTLIER = 10.0  # an error beyond this many variances counts as that many


class StateDistillationLoss(nn.Module):
    """Teach a transplant what the teacher says of each text alone, and how it orders a list.

    With the teacher's states t of each text alone, and the student's stream n as its next layer normalises it:

    - states: ``(mean of |W_l n_l + b_l - t_l|² / var t_l over layers l before the last, and that of the last) / 2``;
      W and b of the last are the values that the gathering layer takes the mean of, which thus keep up with the stream
    - means: ``|mean of W_L n_L + b_L - mean of t_L|² / var of mean of t_L``, the means over the tokens of each text
    - scores: ``KL(softmax(20 cos(t_q, t_d)) ‖ softmax(s)) + 20 · mean (s / 20 - cos(t_q, t_d))²``, s being 64 times the
      model's score
    - labels: ``-log softmax(s)`` of the document judged relevant

    Token table and first layer, which find out text and position, stay as they are, and run in full precision. The
    gradient of the scores is some hundred times that of the states: weighted alike, it undoes them.

    Args:
        model: A cross-encoder that [first_edition.transplant.transplant_model][] made, or that was trained on.
        teacher: The mean-pooled bi-encoder it was made of.
        readings: The file with W and b, as they were when the student was made or, from an earlier stage's last
            checkpoint, as they were trained; they are trained further.
        weights: Weight of each of the four parts.

    Raises:
        ModelError: The readings cannot be loaded.

    Inputs:
        | Texts                              | Labels            |
        |------------------------------------|-------------------|
        | (query, [document, …]) of any size | [relevance, …]    |

    References:
        TinyBERT (2020) for matched states.
    """

    ids: Tensor  # the teacher's id of each of the student's pieces

    def __init__(
        self,
        model: "CrossEncoder",
        teacher: "SentenceTransformer",
        *,
        readings: str | Path,
        weights: dict[str, float] | None = None,
    ) -> None:
        """Load the readings, and freeze what is exact already."""
        super().__init__()
        self.model = model
        self.weights = {"states": 1.0, "means": 0.0, "scores": 0.02, "labels": 0.0} | (weights or {})
        self._teacher = [teacher.requires_grad_(False).eval()]  # in a list: neither trained nor saved with the loss
        self.readings = load_readings(readings)
        ids = torch.tensor(teacher_ids(teacher.tokenizer, model.tokenizer))
        self.register_buffer("ids", ids, persistent=False)
        network = model[0].model
        self.first = network.layers[0]
        for part in (network.embed_tokens, self.first):
            part.requires_grad_(False)
        _in_full_precision(self.first)
        _keep_marks(network)

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted parts, each a scalar."""
        queries, documents = inputs
        sizes = [len(texts) for texts in documents]
        left = [query for query, n in zip(queries, sizes, strict=True) for _ in range(n)]
        features = self._features(left, [text for texts in documents for text in texts])
        row = layout(features["input_ids"])
        taught, _ = teacher_states(self._teacher[0][0].model, self.ids[features["input_ids"]], row)
        targets = [state.float() for state in taught]
        output = self.model[0].model(**features, output_hidden_states=True, use_cache=False)
        features["token_embeddings"] = output.last_hidden_state
        for module in list(self.model)[1:]:
            features = module(features)
        cosines = (pooled(targets[-1], row, 0) * pooled(targets[-1], row, 1)).sum(1)
        scores = features["scores"].view(-1).float() / UNIT
        states, means = self._errors(output.hidden_states, targets, row)
        parts = {
            "states": states,
            "means": means,
            "scores": list_divergence(scores, TEMPERATURE * cosines, sizes)
            + TEMPERATURE * mse_loss(scores / TEMPERATURE, cosines),
            "labels": label_entropy(scores, labels, sizes),
        }
        return {name: self.weights[name] * value for name, value in parts.items()}

    def _features(self, left: list[str], right: list[str]) -> dict[str, Tensor]:
        batch = self.model.tokenizer(
            left,
            right,
            padding=True,
            pad_to_multiple_of=SHAPES,
            truncation="longest_first",
            max_length=self.model.max_seq_length,
            return_tensors="pt",
        )
        return {key: batch[key].to(self.model.device) for key in ("input_ids", "attention_mask")}

    def _errors(self, hidden: tuple[Tensor, ...], targets: list[Tensor], row: Row) -> tuple[Tensor, Tensor]:
        """Return the relative errors of the teacher's states and means; the first states, its embeddings, are exact."""
        layers = self.model[0].model.layers
        errors: list[Tensor] = []
        for depth, reading in enumerate(self.readings[1:-1], 1):
            normed = layers[depth + 1].input_layernorm(hidden[depth + 1])[row.filled]
            errors.append(_relative(reading(normed[:, : reading.in_features]), targets[depth][row.filled]))
        values = layers[-1].self_attn.v_proj(layers[-1].input_layernorm(hidden[-2]))
        last = _relative(values[row.filled], targets[-1][row.filled])
        found, wanted = (torch.cat([averaged(x, row, side) for side in (0, 1)]) for x in (values, targets[-1]))
        return (torch.stack(errors).mean() + last) / 2, _relative(found, wanted)


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    error = (found.float() - wanted).pow(2).sum(1)
    variance = (wanted - wanted.mean(0)).pow(2).sum(1).mean()
    return (error / variance).clamp(max=OUTLIER).mean()


def load_readings(path: str | Path) -> nn.ModuleList:
    """Load how the teacher's states are read off the student's stream, by depth."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = {name: tensor for name, tensor in load_file(path).items() if name.startswith("readings.")}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"[loss] readings={path}: cannot be loaded ({error}); name a transplant's file") from error
    readings = nn.ModuleList()
    for depth in range(len(tensors) // 2):
        rows, columns = tensors[f"readings.{depth}.weight"].shape
        readings.append(nn.Linear(columns, rows))
    readings.load_state_dict({name.removeprefix("readings."): tensor for name, tensor in tensors.items()})
    return readings


def _in_full_precision(layer: nn.Module) -> None:
    """Keep a layer out of autocast: where <sep> is, is told by differences that bfloat16 cannot express."""
    stack = ExitStack()

    def enter(module: nn.Module, *_: Any) -> None:
        stack.enter_context(torch.autocast(next(module.parameters()).device.type, enabled=False))

    layer.register_forward_pre_hook(enter)
    layer.register_forward_hook(lambda *_: stack.close(), always_call=True)


def _keep_marks(network: "PreTrainedModel") -> None:
    """Keep all layers from writing to the channels that say where a token is: what they write elsewhere is larger."""

    def masked(gradient: Tensor) -> Tensor:
        return torch.cat([gradient[:-EXTRA], torch.zeros_like(gradient[-EXTRA:])])

    for layer in network.layers[1:]:
        for parameter in (layer.self_attn.o_proj.weight, layer.self_attn.o_proj.bias, layer.mlp.down_proj.weight):
            parameter.register_hook(masked)
