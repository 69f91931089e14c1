"""Distillation of a bi-encoder into its transplant: every token's state at every depth, then scores and labels."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from gemma_st.errors import ModelError
from gemma_st.losses.lists import label_entropy, list_divergence
from gemma_st.training.grafting import TEMPERATURE
from gemma_st.training.positions import EXTRA
from gemma_st.training.rows import Row, layout, pooled, teacher_states
from gemma_st.training.student import teacher_ids

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
    - scores: ``KL(softmax(20 cos(t_q, t_d)) ‖ softmax(score)) + 20 · mean (score / 20 - cos(t_q, t_d))²``
    - labels: ``-log softmax(score)`` of the document judged relevant

    Token table and first layer, which find out text and position, stay as they are, and run in full precision. The
    gradient of the scores is some hundred times that of the states: weighted alike, it undoes them.

    Args:
        model: A cross-encoder that [gemma_st.training.transplant.transplant_model][] made, or that was trained on.
        teacher: The mean-pooled bi-encoder it was made of.
        readings: The file with W and b, as they were when the student was made; they are trained further.
        weights: Weight of each of the three parts.

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
        self.weights = {"states": 1.0, "scores": 0.02, "labels": 0.0} | (weights or {})
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
        states, _ = teacher_states(self._teacher[0][0].model, self.ids[features["input_ids"]], row)
        targets = [state.float() for state in states]
        output = self.model[0].model(**features, output_hidden_states=True, use_cache=False)
        features["token_embeddings"] = output.last_hidden_state
        for module in list(self.model)[1:]:
            features = module(features)
        cosines = (pooled(targets[-1], row, 0) * pooled(targets[-1], row, 1)).sum(1)
        scores = features["scores"].view(-1).float()
        parts = {
            "states": self._states(output.hidden_states, targets, row),
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

    def _states(self, hidden: tuple[Tensor, ...], targets: list[Tensor], row: Row) -> Tensor:
        """Return the relative error of the teacher's states; the first, of its embeddings, is exact."""
        errors: list[Tensor] = []
        layers = self.model[0].model.layers
        for depth, reading in enumerate(self.readings[1:], 1):
            normed = layers[depth + 1].input_layernorm(hidden[depth + 1])[row.filled]
            target = targets[depth][row.filled]
            last = depth == len(targets) - 1
            read = layers[-1].self_attn.v_proj(normed) if last else reading(normed[:, : reading.in_features])
            error = (read.float() - target).pow(2).sum(1)
            variance = (target - target.mean(0)).pow(2).sum(1).mean()
            errors.append((error / variance).clamp(max=OUTLIER).mean())
        before: Tensor = torch.stack(errors[:-1]).mean()
        return (before + errors[-1]) / 2


def load_readings(path: str | Path) -> nn.ModuleList:
    """Load how the teacher's states are read off the student's stream, by depth."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"[loss] readings={path}: cannot be loaded ({error}); name a transplant's file") from error
    linears = []
    for depth in range(len(tensors) // 2):
        weight = tensors[f"{depth}.weight"]
        linears.append(nn.Linear(weight.shape[1], weight.shape[0]))
        linears[-1].load_state_dict({"weight": weight, "bias": tensors[f"{depth}.bias"]})
    return nn.ModuleList(linears)


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
