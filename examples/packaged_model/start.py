"""Write the model that a stage of the first edition begins with.

    python start.py transplant transplant.toml
    python start.py student ../study/decoder.toml

The stage file names the teacher, the training lists, and in ``[model] base`` the directory to write. ``transplant``
writes a cross-encoder that contains the teacher's layers, and ``readings.safetensors``, which the loss ``token-states``
reads. ``student`` writes a small decoder that starts from the teacher's token table and attention projections.
"""

import sys
from pathlib import Path

import numpy as np
from first_edition.shapes import StudentConfig, TransplantConfig
from first_edition.student import student_model, student_tokenizer, teacher_ids
from first_edition.transplant import transplant_model
from sentence_transformers import SentenceTransformer

from gemma_st.training.config import read_config
from gemma_st.training.lists import read_lists, shorten
from gemma_st.training.start import load_teacher

TRANSPLANT = TransplantConfig(vocabulary=20_000, intermediate_size=512, max_length=128)
STUDENT = StudentConfig(vocabulary=14_000, layers=4, intermediate_size=512, max_length=128)

Pairs = list[tuple[str, str]]


def write_transplant(teacher: SentenceTransformer, pairs: Pairs, directory: Path) -> None:
    """Write the transplant and its readings; it is fitted on the first pairs of a random order."""
    np.random.default_rng(0).shuffle(pairs)
    transplant_model(teacher, pairs, directory, config=TRANSPLANT)


def write_student(teacher: SentenceTransformer, texts: list[str], directory: Path) -> None:
    """Write the student and its tokenizer."""
    tokenizer = student_tokenizer(teacher.tokenizer, texts, STUDENT)
    tokenizer.save_pretrained(directory)
    student_model(teacher[0].model, teacher_ids(teacher.tokenizer, tokenizer), STUDENT).save_pretrained(directory)


def main(kind: str, stage: str) -> None:
    """Write the model of a stage."""
    config = read_config(stage)
    teacher, directory = load_teacher(str(config.teacher)), Path(config.model["base"])
    data = read_lists(config.lists)
    if config.documents:
        data = shorten(data, config.documents, seed=config.trainer["seed"])
    rows = [(row["query"], row["documents"]) for row in data]
    if kind == "transplant":
        write_transplant(teacher, [(query, text) for query, documents in rows for text in documents], directory)
    else:
        write_student(teacher, [text for query, documents in rows for text in [query, *documents]], directory)
    print(f"model written to {directory}")


if __name__ == "__main__":
    main(*sys.argv[1:])
