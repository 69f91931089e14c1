"""Tests of gemma_st.training.lists: lists are read, shortened, and turned into triples."""

import json
from pathlib import Path

import pytest
from datasets import Dataset

from gemma_st import ModelError
from gemma_st.training.lists import read_lists, shorten, triples


class TestReadLists:
    """JSON lines become a data set."""

    def test_files_are_read_in_order_and_labels_are_floats(self, tmp_path: Path) -> None:
        """Integer and float labels, extra keys, and texts that contain Unicode line separators."""
        one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
        rows = [
            {"query": "a\u2028b", "documents": ["é\x85", "d"], "labels": [1, 0]},
            {"query": "q", "documents": ["x"], "labels": [0.5], "ids": ["extra"]},
        ]
        for path, row in zip((one, two), rows, strict=True):
            path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
        found = read_lists([one, two])
        assert found.column_names == ["query", "documents", "labels"]
        assert found[0] == {"query": "a\u2028b", "documents": ["é\x85", "d"], "labels": [1.0, 0.0]}
        assert found["labels"][1] == [0.5]

    def test_a_byte_order_mark_is_skipped(self, tmp_path: Path) -> None:
        """Windows editors write one, before the first line of each file."""
        (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"query": "q", "documents": ["d"], "labels": [1]}\r\n')
        assert len(read_lists([tmp_path / "a.jsonl"] * 2)) == 2

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "no json",
            "[]",
            "3",
            '{"query": "q", "documents": ["d"]}',
            '{"query": "q", "documents": ["d", "e"], "labels": [1]}',
            '{"query": "q", "documents": [], "labels": []}',
            '{"query": "q", "documents": "d", "labels": [1]}',
            '{"query": "q", "documents": [3], "labels": [1]}',
            '{"query": 3, "documents": ["d"], "labels": [1]}',
            '{"query": "q", "documents": ["d"], "labels": ["relevant"]}',
            '{"query": "q", "documents": ["d"], "labels": 1}',
            '{"query": "q", "documents": ["d"], "labels": [null]}',
        ],
    )
    def test_a_bad_line_is_named_with_its_file_and_number(self, line: str, tmp_path: Path) -> None:
        """The error shows the line."""
        path = tmp_path / "lists.jsonl"
        good = '{"query": "q", "documents": ["d"], "labels": [1]}\n'
        path.write_text(good + line + "\n" + good)
        with pytest.raises(ModelError) as error:
            read_lists([path])
        assert str(error.value).startswith(f"{path}:2: {line[:40]!r}; expected {{")
        assert "\n" not in str(error.value)

    def test_a_missing_file_one_in_latin_and_an_empty_one_are_one_line(self, tmp_path: Path) -> None:
        """The error names the file."""
        latin, empty = tmp_path / "latin.jsonl", tmp_path / "empty.jsonl"
        latin.write_bytes(b'{"query": "\xe9"}')
        empty.touch()
        with pytest.raises(ModelError, match="absent.jsonl: cannot be read as UTF-8 text .*No such file"):
            read_lists([tmp_path / "absent.jsonl"])
        with pytest.raises(ModelError, match="latin.jsonl: cannot be read as UTF-8 text"):
            read_lists([latin])
        with pytest.raises(ModelError, match="empty.jsonl: contains no list"):
            read_lists([empty])
        with pytest.raises(ModelError, match="lists: contains no list"):
            read_lists([])


class TestShorten:
    """Lists get a maximum number of documents."""

    def test_relevant_documents_stay_and_the_others_are_drawn_in_order(self) -> None:
        """Three of ten documents are kept, two of them relevant; a short list stays as it is."""
        documents = [str(place) for place in range(10)]
        rows = [
            {"query": "q", "documents": documents, "labels": [0.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]},
            {"query": "r", "documents": ["a"], "labels": [0.0]},
        ]
        drawn = set()
        for seed in range(20):
            long, short = shorten(Dataset.from_list(rows), 3, seed=seed)
            assert short == rows[1]
            assert sorted(long["documents"], key=documents.index) == long["documents"]
            assert [label for label in long["labels"] if label] == [2.0, 1.0]
            (other,) = set(long["documents"]) - {"1", "5"}
            drawn.add(other)
        assert len(drawn) > 3
        assert shorten(Dataset.from_list(rows), 1, seed=0)[0]["documents"] == ["1", "5"]

    def test_a_seed_is_a_draw(self) -> None:
        """One seed gives one result, another seed another."""
        data = Dataset.from_list([{"query": "q", "documents": list("abcdefgh"), "labels": [1.0] + [0.0] * 7}] * 9)
        assert shorten(data, 4, seed=1)[:] == shorten(data, 4, seed=1)[:]
        assert shorten(data, 4, seed=1)[:] != shorten(data, 4, seed=2)[:]

    def test_the_best_of_scores_below_zero_stays(self) -> None:
        """The scores of a teacher may all be negative."""
        data = Dataset.from_list([{"query": "q", "documents": ["a", "b", "c"], "labels": [-3.0, -1.0, -2.0]}])
        assert all("b" in shorten(data, 2, seed=seed)[0]["documents"] for seed in range(5))


def test_triples_are_margins_of_the_best_over_each_other() -> None:
    """The best document may be at any position."""
    data = Dataset.from_list([{"query": "q", "documents": ["a", "b", "c"], "labels": [1.0, 4.0, 2.5]}])
    assert list(triples(data)) == [
        {"query": "q", "positive": "b", "negative": "a", "label": 3.0},
        {"query": "q", "positive": "b", "negative": "c", "label": 1.5},
    ]
    with pytest.raises(ModelError, match="no list has two documents"):
        triples(Dataset.from_list([{"query": "q", "documents": ["a"], "labels": [1.0]}]))
