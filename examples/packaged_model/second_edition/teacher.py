"""The teacher, a BERT cross-encoder, on the student's token ids; and the tokenizer that both share."""

import json
from pathlib import Path

import torch
from positions import CLS_ID, EOS_ID, SEP_ID
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast


class Teacher:
    """A `BertForSequenceClassification` with one label.

    The student's template is `[CLS] query [SEP] document <eos>`: token for token the teacher's, whose second `[SEP]` is
    called `<eos>` here so that the first layer can tell the two apart.
    """

    def __init__(self, name: str) -> None:
        """Load a directory or a hub id."""
        self.model = AutoModelForSequenceClassification.from_pretrained(name, attn_implementation="eager").eval()

    def inputs(self, ids: Tensor) -> dict[str, Tensor]:
        """Return the teacher's inputs for a batch of the student's ids, padded with 0."""
        separator = ids == SEP_ID
        types = (separator.cumsum(1) - separator.long()) * (ids != 0)
        own = ids.masked_fill(ids == EOS_ID, SEP_ID)
        return {"input_ids": own, "token_type_ids": types, "attention_mask": (ids != 0).long()}

    @torch.no_grad()
    def states(self, ids: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the states of all tokens after the embeddings and each layer, and after each layer's attention."""
        attended: list[Tensor] = []
        hooks = [
            layer.attention.output.register_forward_hook(lambda _, __, output: attended.append(output))
            for layer in self.model.bert.encoder.layer
        ]
        try:
            output = self.model(**self.inputs(ids), output_hidden_states=True)
        finally:
            for hook in hooks:
                hook.remove()
        filled = ids != 0
        return [state[filled] for state in output.hidden_states], [state[filled] for state in attended]

    @torch.no_grad()
    def score(self, ids: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits and the states of all tokens after the embeddings and each layer, in bf16 autocast."""
        with torch.autocast("cpu", torch.bfloat16):
            output = self.model(**self.inputs(ids), output_hidden_states=True)
        return output.logits[:, 0].float(), [state[ids != 0].float() for state in output.hidden_states]


def student_tokenizer(name: str, longest: int) -> PreTrainedTokenizerFast:
    """Return the teacher's tokenizer with the template of the student; `[unused0]` becomes `<eos>`."""
    spec = json.loads(AutoTokenizer.from_pretrained(name).backend_tokenizer.to_str())
    vocabulary = spec["model"]["vocab"]
    vocabulary["<eos>"] = vocabulary.pop(next(token for token, number in vocabulary.items() if number == EOS_ID))
    spec["truncation"] = spec["padding"] = None
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    spec["added_tokens"].append({"id": EOS_ID, "content": "<eos>", "special": True, **flags})
    spec["added_tokens"].sort(key=lambda token: token["id"])
    backend = Tokenizer.from_str(json.dumps(spec))
    special = [("[CLS]", CLS_ID), ("[SEP]", SEP_ID), ("<eos>", EOS_ID)]
    template = {"single": "[CLS] $A <eos>", "pair": "[CLS] $A [SEP] $B <eos>"}
    backend.post_processor = TemplateProcessing(**template, special_tokens=special)
    names = {"pad": "[PAD]", "unk": "[UNK]", "bos": "[CLS]", "sep": "[SEP]", "eos": "<eos>", "mask": "[MASK]"}
    roles = {f"{role}_token": token for role, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=longest, padding_side="right", **roles)


def pairs_of(path: Path, count: int) -> list[tuple[str, str]]:
    """Return the relevant passage and one other of each list, `count` pairs in all."""
    rows = (json.loads(line) for line in path.open(encoding="utf-8"))
    pairs = [(row["query"], text) for row in rows for text in row["documents"][:2]]
    return pairs[:count]
