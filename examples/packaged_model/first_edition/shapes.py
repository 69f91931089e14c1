"""What is chosen of a student's shape; the rest is the teacher's."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StudentConfig:
    """The student's shape; its width, heads and head size are the teacher's, whose projections it inherits."""

    vocabulary: int = 14_000
    layers: int = 4
    intermediate_size: int = 768
    max_length: int = 512
    seed: int = 0


@dataclass(frozen=True)
class TransplantConfig:
    """A student that holds the teacher's own weights.

    Attributes:
        vocabulary: How many word pieces it has.
        intermediate_size: How many hidden units of each feed-forward layer are kept.
        max_length: Tokens of the longest pair.
        pairs: How many pairs the layers are fitted on.
        head: How many directions of the text vectors are compared.
    """

    vocabulary: int = 24_000
    intermediate_size: int = 512
    max_length: int = 128
    pairs: int = 192
    head: int = 384
