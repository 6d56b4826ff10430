"""Tell an error of a suite's file from a row that the user's options, or its combination of components, rule out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, expanded
from elrbench_plugins.commands.suite.suite import Suite, SuiteRow

_UNKNOWN = re.compile(r"unknown (dataset|degradation|enhancer|backbone|method) ")


def refuse_own_error(error: ElrError, row: SuiteRow, suite: Suite, own: Mapping[str, Any], catalog: Catalog) -> None:
    """Raise ElrError, naming file and row, if a name or a value of the row itself is the reason for `error`.

    error: why the row has no plan under the user's options. own: the row's fields, without these options. Components
    that cannot be combined are no error of the file: a matrix has such rows, too.
    """
    try:
        expanded(catalog, PlanRequest(**own, settings=row.settings))
    except ElrError as found:
        if str(found) == str(error):
            hint = " To load a plugin that is not installed, pass --plugin FILE." if _UNKNOWN.match(str(error)) else ""
            raise ElrError(f"{suite.row_place(row.name)}: {error}{hint}") from error
