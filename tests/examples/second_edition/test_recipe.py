"""The transplant agrees with its teacher before any training; distillation resumes where it was killed."""

import json
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch

from gemma_st import CrossEncoder


@pytest.fixture(scope="module")
def transplanted(teacher: Path, lists: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a transplant with all hidden units of the teacher."""
    from transplant import main

    folder = tmp_path_factory.mktemp("transplant")
    main(str(teacher), lists, folder, units=264, pairs=96)
    return folder


def _pairs(lists: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in (lists / "00011.jsonl").open()][:16]
    return [(row["query"], text) for row in rows for text in row["documents"]]


def _teacher_scores(teacher: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    from teacher import Teacher, student_tokenizer

    ids = student_tokenizer(str(teacher), 128)(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    model = Teacher(str(teacher))
    with torch.no_grad():
        scores: np.ndarray = model.model(**model.inputs(ids["input_ids"])).logits[:, 0].numpy()
    return scores


def test_transplant_agrees_with_the_teacher(teacher: Path, lists: Path, transplanted: Path) -> None:
    """Scores correlate with those of a random teacher (which is harder to follow than a trained one) by over .7."""
    pairs = _pairs(lists)
    wanted = _teacher_scores(teacher, pairs)
    for dtype in (torch.float32, torch.bfloat16):
        found = CrossEncoder(str(transplanted), model_kwargs={"dtype": dtype}).predict(pairs)
        assert np.corrcoef(wanted, found)[0, 1] > 0.7


def test_the_stock_class_gives_the_same_scores(lists: Path, transplanted: Path) -> None:
    """The model consists of stock modules."""
    pairs = _pairs(lists)
    stock = sentence_transformers.CrossEncoder(str(transplanted)).predict(pairs)
    np.testing.assert_allclose(CrossEncoder(str(transplanted)).predict(pairs), stock, atol=1e-5)


def test_the_first_layer_knows_position_and_segment(transplanted: Path) -> None:
    """The same word at another position, or in the other text, has another state after the first layer."""
    model = CrossEncoder(str(transplanted))
    one, two = (model.preprocess([pair])["input_ids"] for pair in (("w1 w2 w3", "w4"), ("w1", "w2 w3 w4")))
    with torch.no_grad():
        a, b = (model[0].model(input_ids=ids, output_hidden_states=True).hidden_states[1][0] for ids in (one, two))
    places = [int((ids[0] == ids[0, 1 + shift]).nonzero()[0]) for ids, shift in ((one, 1), (two, 2))]
    assert (a[places[0]] - b[places[1]]).norm() > 0.05 * a[places[0]].norm()


def test_distillation_resumes(teacher: Path, lists: Path, transplanted: Path, tmp_path: Path) -> None:
    """Four steps at once and two and two give the same model, another one than the start."""
    from distil import Run, Settings, main

    settings = Settings(rate=1e-3, warmup=1, average=0.5)
    for folder, steps in ((tmp_path / "a", [4]), (tmp_path / "b", [2, 4])):
        for until in steps:
            main(Run(str(teacher), lists, transplanted, folder, settings), until, 100)
    pairs = _pairs(lists)
    first, second = (CrossEncoder(str(tmp_path / name / "model")).predict(pairs) for name in "ab")
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, CrossEncoder(str(transplanted)).predict(pairs))
    log = [json.loads(line) for line in (tmp_path / "a/log.jsonl").open()]
    assert log[-1]["step"] == 4 and 0 < log[-1]["dev_mse"] < 10
