"""The same encoder as a bi-encoder: one vector per text, for a dense first stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import sentence_transformers
import torch
from sentence_transformers.util.decorators import deprecated_kwargs

from gemma_st.base import Encoder
from gemma_st.modeling.pair_checks import refuse_characters


class SentenceTransformer(Encoder, sentence_transformers.SentenceTransformer):
    """The stock bi-encoder, which also loads our poolers and verifies its attention mask at load.

    The arguments are those of the stock class; ``model_name_or_path`` is a directory, else a packaged model (see
    [gemma_st.names.packaged][]), else a hub id.

    Examples:
        >>> from gemma_st.build import sentence_transformer
        >>> sentence_transformer("decoder").save("bi-encoder")
        >>> SentenceTransformer("bi-encoder").encode_query("do goldfish grow").shape
        (32,)
    """

    @deprecated_kwargs(name="model_name_or_path", tokenizer_kwargs="processor_kwargs")
    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        *,
        modules: list[torch.nn.Module] | None = None,
        device: str | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        use_auth_token: bool | str | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        model_card_data: sentence_transformers.SentenceTransformerModelCardData | None = None,
        backend: Literal["torch", "onnx", "openvino"] = "torch",
        similarity_fn_name: Literal["cosine", "dot", "euclidean", "manhattan"]
        | sentence_transformers.SimilarityFunction
        | None = None,
        truncate_dim: int | None = None,
    ) -> None:
        """Load the model or assemble it from modules."""
        at: dict[str, Any] = {"token": token, "cache_folder": cache_folder, "revision": revision}
        at["local_files_only"] = local_files_only
        with self._loading(model_name_or_path, modules, trusted=trust_remote_code, **at) as source:
            super().__init__(
                source,
                modules=modules,
                device=device,
                prompts=prompts,
                default_prompt_name=default_prompt_name,
                cache_folder=cache_folder,
                trust_remote_code=trust_remote_code,
                revision=revision,
                local_files_only=local_files_only,
                token=token,
                use_auth_token=use_auth_token,
                model_kwargs=model_kwargs,
                processor_kwargs=processor_kwargs,
                config_kwargs=config_kwargs,
                model_card_data=model_card_data,
                backend=backend,
                similarity_fn_name=similarity_fn_name,
                truncate_dim=truncate_dim,
            )

    def _inference(self, inputs: list[Any], **kwargs: Any) -> Any:  # noqa: ANN401  # tensors or lists of them
        refuse_characters(inputs)  # with the index in the whole list, before anything is encoded
        return super()._inference(inputs, **kwargs)

    def _multi_process(self, inputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        refuse_characters(inputs)
        self._refuse_precision()
        return super()._multi_process(inputs, *args, **kwargs)

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:
        """Set whether to pool the tokens of a prompt too, also in our poolers, which the stock method skips."""
        for module in self:
            if hasattr(module, "include_prompt"):
                setattr(module, "include_prompt", include_prompt)  # noqa: B010
