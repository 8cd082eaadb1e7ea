"""Execution of a notebook's code cells in one namespace, without a kernel.

    python -m tests.notebook docs/guide/notebook.ipynb

runs it and writes its outputs back.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot

Cell = dict[str, Any]


def execute(path: Path, namespace: dict[str, Any]) -> list[Cell]:
    """Run every code cell of a notebook in order.

    Args:
        path: The notebook.
        namespace: Variables of the cells; what they define stays in it.

    Returns:
        All cells, those of code with their new outputs. What a cell raises is raised.
    """
    matplotlib.use("Agg")
    matplotlib.pyplot.close("all")  # figures of before are not the notebook's
    cells: list[Cell] = json.loads(path.read_text())["cells"]
    for number, cell in enumerate((each for each in cells if each["cell_type"] == "code"), start=1):
        cell["execution_count"] = number
        cell["outputs"] = _outputs("".join(cell["source"]), f"cell {number}", namespace)
    return cells


def _outputs(source: str, name: str, namespace: dict[str, Any]) -> list[Cell]:
    """Printed text, figures, and the value of the last expression."""
    import matplotlib.pyplot as plt

    tree, printed, value = ast.parse(source, name), io.StringIO(), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, name, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    text = printed.getvalue()
    found: list[Cell] = [{"output_type": "stream", "name": "stdout", "text": _lines(text)}] if text else []
    found += [_displayed({"image/png": _png(plt.figure(each))}) for each in plt.get_fignums()]
    plt.close("all")
    if value is not None and not source.rstrip().endswith(";"):  # as notebooks have it
        html = {"text/html": _lines(value._repr_html_())} if hasattr(value, "_repr_html_") else {}
        found.append(_displayed({"text/plain": _lines(repr(value))} | html))
    return found


def _displayed(data: dict[str, Any]) -> Cell:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    notebook = json.loads(target.read_text())
    notebook["cells"] = execute(target, {"__name__": "__notebook__"})
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
