"""Tests of gemma_st.training.lists: lists are read, shortened, and turned into triples."""

import json
import re
from pathlib import Path
from random import Random

import pytest
from datasets import Dataset
from torch import nn

from gemma_st import ModelError, files
from gemma_st.losses.distillation import ScoreDistillationLoss
from gemma_st.losses.margin_mse import MarginMSELoss
from gemma_st.losses.pointwise import PointwiseLoss
from gemma_st.losses.poly1 import Poly1SoftmaxLoss
from gemma_st.losses.softmax import SoftmaxLoss
from gemma_st.training.lists import read_lists, refuse_useless, shorten, triples
from tests.gemma_st.training.taught_loss import TaughtLoss


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
            "no json",
            "[" * 100_000,
            '{"query": "q", "documents": ["d"], "labels": [1' + "0" * 400 + "]}",
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
            '{"query": "q", "documents": ["d"], "labels": ["nan"]}',
            '{"query": "q", "documents": ["d", "e"], "labels": "10"}',
            '{"query": "q", "documents": ["d", "e"], "labels": {"1": 0, "0": 0}}',
            '{"query": "q", "documents": {"d": 1}, "labels": [1]}',
            '{"query": "q", "query": "r", "documents": ["d"], "labels": [1]}',
            '{"query": "q", "documents": ["d"], "labels": [1], "labels": [0]}',
            '{"query": "q", "documents": ["d"], "labels": [1' + "0" * 5000 + "]}",
            '{"query": "q", "pos": ["d"]}',
            '{"query": "q", "pos": "d", "neg": []}',
            '{"query": "q", "pos": [], "neg": []}',
            '{"query": "q", "pos": [["d"]], "neg": []}',
            '{"query": "q", "pos": ["d"], "neg": ["e"], "pos_scores": [1.5]}',
            '{"query": "q", "pos": ["d"], "neg": ["e"], "pos_scores": [1.5, 0], "neg_scores": []}',
            '{"query": "q", "pos": ["d"], "neg": ["e"], "pos_scores": [1.5], "neg_scores": ["0"]}',
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
        latin.write_bytes(b'\n{"query": "\xe9"}')
        empty.touch()
        with pytest.raises(ModelError, match="absent.jsonl: cannot be read as UTF-8 text .*No such file"):
            read_lists([tmp_path / "absent.jsonl"])
        with pytest.raises(ModelError, match="latin.jsonl:2: cannot be read as UTF-8 text"):
            read_lists([latin])
        with pytest.raises(ModelError, match="empty.jsonl: contains no list"):
            read_lists([empty])
        with pytest.raises(ModelError, match="lists: contains no list"):
            read_lists([])

    def test_blank_lines_are_skipped_and_counted(self, tmp_path: Path) -> None:
        """As in every other file of lines; a later error still names the right line."""
        path = tmp_path / "lists.jsonl"
        good = '{"query": "q", "documents": ["d"], "labels": [1]}\n'
        path.write_text("\n" + good + " \t\n\r\n" + good + "\n")
        assert len(read_lists([path])) == 2
        path.write_text("\n\n" + good + "bad\n")
        with pytest.raises(ModelError, match=r"lists.jsonl:4: 'bad'"):
            read_lists([path])

    @pytest.mark.parametrize("label", ["NaN", "Infinity", "-Infinity", "1e400", "1e39"])
    def test_a_label_that_is_not_finite_is_named_with_its_line(self, label: str, tmp_path: Path) -> None:
        """Also one that is finite in float64 only."""
        path = tmp_path / "lists.jsonl"
        path.write_text(f'\n{{"query": "q", "documents": ["d", "e"], "labels": [1, {label}]}}\n')
        with pytest.raises(ModelError, match=r"lists.jsonl:2: label (nan|-?inf|1e\+39); expected a finite") as error:
            read_lists([path])
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("row", [("\\ud800", "d"), ("q", "a \\udfff b"), ("q", "\\udc00\\ud800")])
    def test_a_lone_surrogate_is_named_with_its_line_and_a_pair_is_a_character(
        self, row: tuple[str, str], tmp_path: Path
    ) -> None:
        """No tokenizer takes half a pair."""
        path = tmp_path / "lists.jsonl"
        line = '{{"query": "{}", "documents": ["{}"], "labels": [1]}}\n'
        path.write_text(line.format("q", "\\ud83d\\ude00") + line.format(*row))
        with pytest.raises(ModelError, match="lists.jsonl:2: a text contains a lone surrogate"):
            read_lists([path])
        path.write_text(line.format("q", "\\ud83d\\ude00"))
        assert read_lists([path])[0]["documents"] == ["😀"]

    def test_flag_embeddings_lists_are_read(self, tmp_path: Path) -> None:
        """Their labels are 1 and 0, or the scores of a teacher where relevance is not asked for."""
        path = tmp_path / "lists.jsonl"
        rows = [
            {"query": "q", "pos": ["a", "b"], "neg": ["c"], "prompt": "ignored"},
            {"query": "q", "pos": ["a"], "neg": ["b", "c"], "pos_scores": [2], "neg_scores": [-1.5, 0.5]},
            {"query": "q", "pos": ["a"], "neg": [], "pos_scores": None, "neg_scores": None},
            {"query": "q", "documents": ["d"], "labels": [3], "pos": "ignored"},
        ]
        path.write_text("\n".join(map(json.dumps, rows)))
        graded, scored = read_lists([path], relevance=True), read_lists([path])
        assert graded["documents"] == scored["documents"] == [list("abc"), list("abc"), ["a"], ["d"]]
        assert graded["labels"] == [[1, 1, 0], [1, 0, 0], [1], [3]]
        assert scored["labels"] == [[1, 1, 0], [2, -1.5, 0.5], [1], [3]]

    def test_a_line_beyond_the_limit_is_named_and_one_within_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file without line ends must not fill the memory; empty texts and long lists are no error."""
        path = tmp_path / "lists.jsonl"
        rows = [{"query": "", "documents": [""] * 4000, "labels": [1] + [0] * 3999}] * 2
        path.write_text("\n".join(map(json.dumps, rows)))
        assert [len(row) for row in read_lists([path])["documents"]] == [4000, 4000]
        monkeypatch.setattr(files, "LONGEST_LINE", 1000)
        with pytest.raises(ModelError, match=r"lists.jsonl:1: a line of 1,000 characters or more; write it with"):
            read_lists([path])

    def test_any_bytes_are_lists_or_one_error_with_file_and_line(self, tmp_path: Path) -> None:
        """Random bytes, and lines of both formats with bytes changed, removed, repeated and inserted."""
        good = [
            json.dumps({"query": "q é", "documents": ["d", "😀"], "labels": [1, 0.5]}).encode(),
            json.dumps({"query": "q", "pos": ["d"], "neg": ["e"], "pos_scores": [1], "neg_scores": [0]}).encode(),
        ]
        tokens = [b"NaN", b"-Infinity", b"1e999", b"null", b"[" * 5000, b"\\ud800", b"\xff", b"\x00", b"\r", b"true"]
        random, path, read = Random(0), tmp_path / "lists.jsonl", 0  # noqa: S311
        for _ in range(1500):
            line = bytearray(random.choice(good) if random.random() < 0.9 else random.randbytes(random.randrange(60)))
            for _ in range(random.randrange(4)):
                start = random.randrange(len(line) + 1)
                end = min(len(line), start + random.randrange(8))
                line[start:end] = random.choice([b"", bytes(line[start:end]) * 2, random.randbytes(2), *tokens])
            path.write_bytes(bytes(line))
            try:
                found = read_lists([path], relevance=random.random() < 0.5)
            except ModelError as error:
                assert re.match(r".*lists\.jsonl(:\d+: .|: contains no list)", str(error))  # noqa: PT017
                assert "\n" not in str(error)  # noqa: PT017
                str(error).encode()
            else:
                read += len(found)
                assert all(len(row["documents"]) == len(row["labels"]) for row in found)
        assert read > 100

    def test_labels_below_0_are_refused_as_relevance_only(self, tmp_path: Path) -> None:
        """The error names the loss for a teacher's scores."""
        path = tmp_path / "lists.jsonl"
        path.write_text('{"query": "q", "documents": ["d", "e"], "labels": [-0.0, -2.5]}\n')
        assert read_lists([path])["labels"][0] == [0.0, -2.5]
        with pytest.raises(ModelError, match=r'lists.jsonl:1: label -2.5; expected relevance .* "distillation"$'):
            read_lists([path], relevance=True)


class TestRefuseUseless:
    """Lists that teach a loss nothing are counted."""

    ZERO, SINGLE, GOOD = [0.0, 0.0], [1.0], [1.0, 0.0]

    @pytest.mark.parametrize(
        ("loss", "useless"),
        [
            (SoftmaxLoss, [ZERO, SINGLE, [0.0]]),
            (Poly1SoftmaxLoss, [ZERO, SINGLE, [0.0]]),
            (PointwiseLoss, [ZERO, [0.0]]),
            (ScoreDistillationLoss, [SINGLE, [0.0], [-1.0]]),
            (MarginMSELoss, [SINGLE, [0.0]]),
        ],
    )
    def test_some_are_a_warning_all_are_an_error(
        self, loss: type[nn.Module], useless: list[list[float]], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A list is counted once, and none is counted where all are good."""

        def data(labels: list[list[float]]) -> Dataset:
            return Dataset.from_list([{"query": "q", "documents": ["d"] * len(row), "labels": row} for row in labels])

        refuse_useless(data([self.GOOD]), loss)
        assert not caplog.messages
        refuse_useless(data([self.GOOD, *useless]), loss)
        start = f"lists: {len(useless)} of {len(useless) + 1} teach {loss.__name__} nothing ("
        assert [message.startswith(start) for message in caplog.messages] == [True]
        with pytest.raises(ModelError, match=f"^lists: {len(useless)} of {len(useless)} teach {loss.__name__} nothing"):
            refuse_useless(data(useless), loss)

    def test_a_loss_of_another_package_learns_from_every_list(self, caplog: pytest.LogCaptureFixture) -> None:
        """Unless it says otherwise."""
        refuse_useless(Dataset.from_list([{"query": "q", "documents": ["d"], "labels": [0.0]}]), TaughtLoss)
        assert not caplog.messages


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
