"""The calls that stock sentence-transformers accepts, made with its class and with ours: the table of docs/parity.md.

``WRITE_PARITY=1 python -m pytest tests/gemma_st/test_stock_parity.py`` writes the page. A row is a call,
as a user writes it; it is evaluated with ``kind`` (the class), ``path`` (a saved model), ``model`` (it, loaded) and the
names of ``names``.
"""

import copy
import logging
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.gemma_st import stock_helpers

PAIRS = [
    ("what is a derivative work", "Any work based on the Work and for which the editorial revisions are original."),
    ("patent", "Each Contributor hereby grants to You a perpetual patent license."),
    ("who may distribute copies of the work", "Redistribution."),
]
STRICT = "an input that would be scored wrongly, or raise deep inside the library, is one line that names it"
ORDER = "a document is truncated before its query"
NO_HEAD = "the stock class would give it a random head, or score by yes against no"


@dataclass(frozen=True)
class Call:
    """A row: the call, the kind of model it is made with, and why ours differs if it does."""

    kind: str
    section: str
    text: str
    reason: str = ""


def calls() -> Iterator[Call]:
    """Yield the rows."""
    for (kind, section), rows in TABLE.items():
        for row in rows:
            text, reason = row if isinstance(row, tuple) else (row, "")
            yield Call(kind, section, text, reason)


TABLE: dict[tuple[str, str], Sequence[str | tuple[str, str]]] = {
    ("CrossEncoder", "Loading"): [
        "kind(path)",
        "kind(model_name_or_path=path)",
        "kind(model_name=path)",
        "kind(Path(path))",
        ("kind(name=path)", "the name that 0.1 of this package had"),
        "kind(path, 1, 40)",
        "kind(path, 1, 40, torch.nn.Identity(), 'cpu')",
        "kind(path, num_labels=1, max_length=40)",
        "kind(path, device='cpu')",
        "kind(path, device=torch.device('cpu'))",
        "kind(path, device='no such device')",
        "kind(path, prompts={'find': 'find: '}).predict(pairs, prompt_name='find')",
        "kind(path, prompts={'find': 'find: '}, default_prompt_name='find').predict(pairs)",
        "kind(path, default_prompt_name='absent')",
        "kind(path, cache_folder=tmp)",
        "kind(path, trust_remote_code=True)",
        "kind(path, revision='main')",
        "kind(path, local_files_only=True)",
        "kind(path, token=False)",
        "kind(path, model_kwargs={'attn_implementation': 'eager'})",
        "kind(path, model_kwargs={'dtype': torch.bfloat16}).dtype",
        "kind(path, automodel_args={'torch_dtype': torch.bfloat16}).dtype",
        "kind(path, processor_kwargs={'model_max_length': 40})",
        "kind(path, tokenizer_kwargs={'model_max_length': 40})",
        "kind(path, tokenizer_args={'model_max_length': 40})",
        "kind(path, config_kwargs={'attention_dropout': 0.1}).config.attention_dropout",
        "kind(path, config_args={'attention_dropout': 0.1}).config.attention_dropout",
        "kind(path, classifier_dropout=0.1).config.classifier_dropout",
        "kind(path, cache_dir=tmp)",
        "kind(path, activation_fn=torch.nn.Sigmoid()).predict(pairs)",
        "kind(path, default_activation_function=torch.nn.Sigmoid()).predict(pairs)",
        "kind(path, keep_in_fp32_modules=[]).keep_in_fp32_modules",
        "kind(path, keep_in_fp32_modules=['absent'])",
        "kind(path, model_card_data=card_data(language='en')).model_card_data.language",
        "kind(path, backend='onnx')",
        "kind(modules=list(model))",
        "kind(modules=OrderedDict(model.named_children()))",
        "kind(modules=[])",
        ("kind()", "a model of nothing is an error"),
        ("kind(path, modules=list(model))", "the stock class ignores the modules with a log line"),
        "kind(path, 1, num_labels=1)",
        "kind(path, nonsense=1)",
        ("kind(decoder)", NO_HEAD),
        "kind('/no/such/folder')",
        "kind('no-such-model', local_files_only=True)",
        "kind('owner/no-such-model', local_files_only=True)",
        "kind('tiny-reranker', cache_folder=hub)",
        "kind('cross-encoder/tiny-reranker', cache_folder=hub, revision='main')",
        "kind('cross-encoder/tiny-reranker', cache_folder=hub, revision='absent')",
    ],
    ("CrossEncoder", "predict"): [
        "model.predict(pairs)",
        "model.predict(inputs=pairs)",
        "model.predict(sentences=pairs)",
        "model.predict(pairs, None, 'find: ', 2, False, torch.nn.Sigmoid(), False, True, False, 'cpu', None, None)",
        "model.predict(pairs, prompt='find: ')",
        "model.predict(pairs, prompt_name='absent')",
        "model.predict(pairs, batch_size=1)",
        "model.predict(pairs, batch_size=0)",
        "model.predict(pairs, show_progress_bar=True)",
        "model.predict(pairs, activation_fn=torch.nn.Sigmoid())",
        "model.predict(pairs, activation_fct=torch.nn.Sigmoid())",
        "model.predict(pairs, activation_fn=torch.sigmoid)",
        "model.predict(pairs, apply_softmax=True)",
        "classifier.predict(pairs)",
        "classifier.predict(pairs, apply_softmax=True)",
        "classifier.predict(pairs[0], apply_softmax=True)",
        "model.predict(pairs, convert_to_numpy=False)",
        "model.predict(pairs, convert_to_tensor=True)",
        "model.predict(pairs, convert_to_numpy=False, convert_to_tensor=True)",
        "model.predict(pairs[0], convert_to_numpy=False)",
        "model.predict(pairs, num_workers=2)",
        "model.predict(pairs, device='cpu')",
        "model.predict(pairs, device=[])",
        "model.predict(pairs, chunk_size=1)",
        ("model.predict(pairs, max_length=20)", ORDER),
        "model.predict(pairs, processing_kwargs={'text': {'max_length': 20, 'truncation': True}})",
        ("model.predict(pairs, processing_kwargs={'text': {'max_length': 20}})", ORDER),
        "model.predict(pairs, processing_kwargs={'text': {'truncation': False}})",
        "model.predict(pairs, processing_kwargs={'common': {'max_length': 20, 'truncation': 'longest_first'}})",
        "model.predict(pairs[0])",
        "model.predict(list(pairs[0]))",
        "model.predict([list(pair) for pair in pairs])",
        "model.predict(tuple(pairs))",
        "model.predict(np.array(pairs))",
        "model.predict(np.array(pairs[0]))",
        "model.predict(pairs[:1])",
        ("model.predict([])", "the empty array is float32, like every other"),
        "model.predict([], convert_to_tensor=True)",
        "model.predict([], convert_to_numpy=False)",
        "model.predict(dataset(pairs)['pair'])",
        ("model.predict(pair for pair in pairs)", STRICT),
        "model.predict([{'text': pairs[0]}])",
        "model.predict([('', '')])",
        ("model.predict([('a', None)])", STRICT),
        ("model.predict([('a', 'b', 'c')])", STRICT),
        "model.predict('text')",
        "model.predict(pairs, nonsense=1)",
    ],
    ("CrossEncoder", "rank"): [
        "model.rank('patent', texts)",
        "model.rank(query='patent', documents=texts)",
        "model.rank('patent', texts, 2, True, None, 'find: ', 2, False, torch.nn.Sigmoid(), 'cpu', None, None)",
        "model.rank('patent', texts, top_k=2, return_documents=True)",
        "model.rank('patent', texts, top_k=99)",
        ("model.rank('patent', texts, top_k=0)", "the stock class returns an empty list"),
        ("model.rank('patent', texts, top_k=-1)", "the stock class leaves out the worst document"),
        "model.rank('patent', [])",
        "model.rank('patent', [], top_k=5)",
        "model.rank('patent', texts, activation_fct=torch.nn.Sigmoid())",
        "model.rank('patent', texts, num_workers=1, apply_softmax=True, convert_to_tensor=True)",
        "model.rank('patent', tuple(texts))",
        "model.rank('patent', np.array(texts))",
        "classifier.rank('patent', texts)",
        "model.rank('patent', 'text')",
    ],
    ("CrossEncoder", "Attributes and methods"): [
        "model.num_labels",
        "model.max_seq_length",
        "model.max_length",
        "model.default_activation_function",
        "model.activation_fn",
        "model.device",
        "model.dtype",
        "model.modalities",
        "model.supports('text')",
        "model.get_max_seq_length()",
        "model.get_backend()",
        "model.get_model_kwargs()",
        "model.tokenizer('a b')['input_ids']",
        "model.preprocess(pairs)['input_ids']",
        "model.tokenize(pairs)['input_ids']",
        "model(model.preprocess(pairs))['scores']",
        "sorted(model.state_dict())",
        "model.is_singular_input(pairs)",
        "set_length(copy.deepcopy(model), 30).predict(pairs)",
        "copy.deepcopy(model).predict(pairs)",
        "pickle.loads(pickle.dumps(model)).predict(pairs)",
        "copy.deepcopy(model).half().dtype",
        "copy.deepcopy(model).to(torch.bfloat16).predict(pairs)",
        "copy.deepcopy(model).eval().train().training",
        "saved(model, 'save')",
        "saved(model, 'save_pretrained')",
        "saved(model, 'save', safe_serialization=True, model_name='mine', create_model_card=False)",
        "model.save(None)",
        "model.push_to_hub('owner/name')",
        "model.save_to_hub('owner/name')",
        "compiled(model).predict(pairs)",
    ],
    ("CrossEncoder", "Training and evaluation"): [
        "trained(kind(path))",
        "trained(kind(path), report_to=[])",
        "trained(kind(path), report_to='no such tracker')",
        "trained(kind(path), learning_rate=1e-3, warmup_steps=1, lr_scheduler_type='cosine', weight_decay=0.1)",
        "trained(kind(path), optim='adafactor', seed=3, data_seed=4, batch_sampler='no_duplicates')",
        "trained(kind(path), learning_rate_mapping={'linear': 1e-2})",
        "trained(kind(path), trainer={'eval_dataset': None, 'callbacks': [], 'data_collator': None})",
        "trained(kind(path), trainer={'optimizer_cls_and_kwargs': (torch.optim.SGD, {'lr': 0.1})})",
        "trained(None, trainer={'model_init': lambda: kind(path)})",
        "reranking()(model)",
        "reranking(at_k=1, prompt_name=None, name='dev')(model)",
        "classification()(model)",
        "classification()(classifier)",
        "correlation()(model)",
        "model.evaluate(correlation())",
    ],
    ("SentenceTransformer", "Loading"): [
        "kind(path)",
        "kind(model_name_or_path=path, device='cpu')",
        ("kind(Path(path))", "a path is accepted, too"),
        "kind(path, prompts={'find': 'find: '}, default_prompt_name='find').encode(texts)",
        "kind(path, similarity_fn_name='dot').similarity_fn_name",
        "kind(path, similarity_fn_name='nonsense')",
        "kind(path, truncate_dim=8).encode(texts)",
        "kind(path, cache_folder=tmp, revision='main', local_files_only=True, token=False, trust_remote_code=True)",
        "kind(path, use_auth_token=False)",
        "kind(path, model_kwargs={'attn_implementation': 'eager'})",
        "kind(path, processor_kwargs={'model_max_length': 40}).max_seq_length",
        "kind(path, tokenizer_kwargs={'model_max_length': 40}).max_seq_length",
        "kind(path, config_kwargs={'attention_dropout': 0.1}).config.attention_dropout",
        "kind(path, model_card_data=card_data(language='en')).model_card_data.language",
        "kind(path, backend='onnx')",
        "kind(modules=list(model))",
        ("kind()", "a model of nothing is an error"),
        ("kind(path, modules=list(model))", "the stock class ignores the modules with a log line"),
        ("kind(decoder)", "the stock class would pool a causal decoder"),
        "kind(path, 'cpu')",
        "kind('tiny-encoder', cache_folder=hub)",
        "kind('no-such-model', local_files_only=True)",
    ],
    ("SentenceTransformer", "Encoding"): [
        "model.encode(texts)",
        "model.encode(inputs=texts)",
        "model.encode(sentences=texts)",
        "model.encode(texts[0])",
        "model.encode([])",
        "model.encode(tuple(texts))",
        "model.encode(np.array(texts))",
        "model.encode(texts, None, 'find: ', 2, False, 'sentence_embedding', 'float32', True, False, 'cpu', True, 8)",
        "model.encode(texts, prompt='find: ')",
        "model.encode(texts, prompt_name='query')",
        "model.encode(texts, prompt_name='absent')",
        "model.encode(texts, batch_size=1)",
        "model.encode(texts, batch_size=0)",
        "model.encode(texts, show_progress_bar=False)",
        "model.encode(texts, output_value='token_embeddings')",
        "[sorted(row) for row in model.encode(texts, output_value=None)]",
        *(f"model.encode(texts, precision={name!r})" for name in ("int8", "uint8", "binary", "ubinary", "nonsense")),
        "model.encode(texts, convert_to_numpy=False)",
        "model.encode(texts, convert_to_tensor=True)",
        "model.encode(texts, device='cpu')",
        "model.encode(texts, normalize_embeddings=True)",
        "model.encode(texts, truncate_dim=8)",
        "model.encode_query(texts)",
        "model.encode_query('text', prompt='find: ', convert_to_tensor=True)",
        "model.encode_document(texts)",
        "model.encode_document(texts, None, None, 2, False)",
        "model.encode([None])",
    ],
    ("SentenceTransformer", "Attributes and methods"): [
        "model.similarity(model.encode(texts), model.encode(texts[0]))",
        "model.similarity_pairwise(model.encode(texts), model.encode(texts))",
        "model.similarity_fn_name",
        "model.get_embedding_dimension()",
        "model.get_sentence_embedding_dimension()",
        "model.max_seq_length",
        "model.prompts",
        "model.tokenize(texts)['input_ids']",
        "truncated(model).encode(texts)",
        "copy.deepcopy(model).encode(texts)",
        "pickle.loads(pickle.dumps(model)).encode(texts)",
        "saved(model, 'save')",
        "saved(model, 'save_pretrained')",
        "model.push_to_hub('owner/name')",
    ],
}


# With a pool of one process, which takes seconds to start: compared by the slow test.
POOLED = [
    Call(
        "CrossEncoder",
        "Process pools",
        "in_pool(model, lambda pool: [model.predict(pairs, pool=pool), model.rank('patent', texts, 2, pool=pool), "
        "model.predict(pairs, pool=pool, chunk_size=1, convert_to_tensor=True)])",
    ),
    Call("CrossEncoder", "Process pools", "model.predict(pairs, device=['cpu'])"),
    Call(
        "SentenceTransformer",
        "Process pools",
        "in_pool(model, lambda pool: [model.encode(texts, pool=pool, chunk_size=2), "
        "model.encode_multi_process(texts, pool)])",
    ),
]


def names(kind: type, folder: Path) -> dict[str, Any]:
    """Return what the calls are written with, besides Python's own names; ``folder`` holds the models."""
    helpers = {name: getattr(stock_helpers, name) for name in stock_helpers.__all__}
    texts = [document for _, document in PAIRS]
    given = {"kind": kind, "pairs": PAIRS, "texts": texts, "card_data": kind.model_card_data_class}
    places = {name: str(folder / name) for name in ("tmp", "hub", "decoder")}
    modules = {"np": np, "torch": torch, "copy": copy, "pickle": pickle, "Path": Path, "OrderedDict": OrderedDict}
    return {**helpers, **given, **places, **modules}


def run(call: Call, names: Mapping[str, Any]) -> object:
    """Make a call; an exception is its result. Random numbers are drawn from the same state."""
    torch.manual_seed(0)
    logging.disable(logging.CRITICAL)
    try:
        return eval(call.text, dict(names))  # noqa: S307
    except Exception as error:
        return error
    finally:
        logging.disable(logging.NOTSET)


def shown(result: object) -> str:
    """Return a short description of a result, for the page."""
    if isinstance(result, Exception):
        return type(result).__name__
    if isinstance(result, np.ndarray | torch.Tensor):
        kind = "Tensor" if isinstance(result, torch.Tensor) else "array"
        return f"{str(result.dtype).removeprefix('torch.')} {kind} {tuple(result.shape)}"
    if isinstance(result, torch.nn.Sequential):
        return "a model"
    if isinstance(result, list) and result and not isinstance(result[0], str | int):
        return f"list of {len(result)}: {shown(result[0])}"
    text = " ".join(str(result).split())
    return text if len(text) < 40 else f"{type(result).__name__} of {len(result) if hasattr(result, '__len__') else 1}"


def same(one: object, other: object) -> bool:
    """Return whether two results are equal: values up to 1e-6, models by their scores, exceptions by their type."""
    if isinstance(one, Exception) or isinstance(other, Exception):
        return type(one) is type(other) or (isinstance(one, Exception) and type(other).__name__ == "ModelError")
    if isinstance(one, torch.nn.Sequential):
        given = PAIRS if hasattr(one, "predict") else [PAIRS[0][1]]
        score = "predict" if hasattr(one, "predict") else "encode"
        attributes = ("max_seq_length", "prompts", "device")
        return same(getattr(one, score)(given), getattr(other, score)(given)) and all(
            getattr(one, name) == getattr(other, name) for name in attributes
        )
    if isinstance(one, torch.nn.Module):
        return str(one) == str(other)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and one.requires_grad:
        return same(one.detach(), other.detach())
    if isinstance(one, np.ndarray | torch.Tensor):
        alike = type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
        return alike and np.allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), atol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return isinstance(other, float) and abs(one - other) < 1e-6
    return bool(one == other)
