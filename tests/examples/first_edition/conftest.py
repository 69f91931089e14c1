"""Fixtures of the first edition's tests: a student of the tiny teacher, and the stage of a recipe."""

from pathlib import Path

import pytest

from tests.conftest import LICENSE


@pytest.fixture(scope="session")
def student(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a student of ``teacher`` with three layers: a Gemma and its tokenizer."""
    from first_edition.student import StudentConfig, student_model, student_tokenizer, teacher_ids
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("student")
    bert = SentenceTransformer(str(teacher), device="cpu")
    config = StudentConfig(vocabulary=300, layers=3, intermediate_size=32, max_length=64)
    tokenizer = student_tokenizer(bert.tokenizer, [LICENSE.read_text()], config)
    tokenizer.save_pretrained(folder)
    student_model(bert[0].model, teacher_ids(bert.tokenizer, tokenizer), config).save_pretrained(folder)
    return folder
