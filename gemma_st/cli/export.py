"""``gemma-st export``: copy a model, with its card."""

import argparse
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["reranker", "exported", "--data", "nq", "--data", "squad"]).data
        ['nq', 'squad']
    """
    parser.add_argument("name", metavar="NAME", help="packaged model, or directory of a model")
    parser.add_argument("directory", metavar="DIR", help="new or empty directory to write to")
    card = parser.add_argument_group("model card", "With any of these options the card is written; else it is kept.")
    card.add_argument("--base-model", metavar="ID", default="", help="checkpoint that the model was trained from")
    card.add_argument("--license", metavar="ID", default="", help="in the hub's spelling, such as gemma or apache-2.0")
    data = "data set that the model was trained on; repeatable"
    card.add_argument("--data", metavar="NAME", action="append", default=[], help=data)
    results = "results.json that ir-eval run --out wrote for the model; repeatable"
    card.add_argument("--results", metavar="FILE", action="append", default=[], help=results)
    onnx = "write model.onnx, tokenizer and README instead, compared with onnxruntime (needs gemma-encoder[onnx])"
    parser.add_argument("--onnx", action="store_true", help=onnx)
    parser.set_defaults(command=_export)


def _export(arguments: argparse.Namespace) -> None:
    from gemma_st.errors import ModelError
    from gemma_st.files import writing
    from gemma_st.hub.card import Facts
    from gemma_st.hub.export import export

    facts = Facts(
        base_model=arguments.base_model,
        license=arguments.license,
        training_data=tuple(arguments.data),
        results=tuple(map(Path, arguments.results)),
    )
    if arguments.onnx:
        from gemma_st.hub.onnx_export import export_onnx

        if facts != Facts():
            raise ModelError("--onnx writes no model card; leave out --base-model, --license, --data and --results")
        difference = export_onnx(arguments.name, arguments.directory)
        sys.stdout.write(f"model written to {arguments.directory}; scores differ from torch by {difference:.1e}\n")
        return
    with writing(Path(arguments.directory), "the model"):
        target = export(arguments.name, arguments.directory, facts if facts != Facts() else None)
    sys.stdout.write(f"model written to {target}; check it with: gemma-st verify {target}\n")
