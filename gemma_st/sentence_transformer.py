"""The same encoder as a bi-encoder: one vector a text, for a dense first stage."""

import sentence_transformers

from gemma_st.base import Encoder


class SentenceTransformer(Encoder, sentence_transformers.SentenceTransformer):
    """The stock bi-encoder, with poolers of ours and the proof of its attention at load.

    Args:
        name: A local directory, else a packaged model (see [gemma_st.names.packaged][]), else a hub id.
        modules: The modules themselves, in place of a name.
        **options: As for ``sentence_transformers.SentenceTransformer``.

    Raises:
        ModelError: There is no such model, or a model saved as bidirectional runs causally here.
    """

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:
        """Choose whether the tokens of a prompt are pooled too, by our poolers as well, which stock passes over.

        Args:
            include_prompt: Whether they are.
        """
        for module in self:
            if hasattr(module, "include_prompt"):
                module.include_prompt = include_prompt
