"""The matrix as JUnit XML, the form in which CI systems take test results.

One test case a cell; a violation is a failure, a fault that did not fire an error. Attributes after the
Jenkins xUnit schema, which GitLab, Jenkins, Azure Pipelines and CircleCI read.
"""

from __future__ import annotations

from xml.etree import ElementTree

from .campaign import Matrix
from .report import by_step

__all__ = ["junit"]


def junit(matrix: Matrix) -> str:
    """The document, as text."""
    root = ElementTree.Element(
        "testsuites",
        name=f"surefoot chaos {_clean(matrix.workflow)}",
        tests=str(len(matrix.results)),
        failures=str(len(matrix.violations)),
        errors=str(len(matrix.not_fired)),
        time=f"{matrix.seconds:.3f}",
    )
    for step, results in by_step(matrix.results).items():
        bad = [one for one in results if not one.allowed]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_clean(step),
            tests=str(len(results)),
            failures=str(sum(one.outcome != "not_fired" for one in bad)),
            errors=str(sum(one.outcome == "not_fired" for one in bad)),
            time=f"{sum(one.times.total for one in results):.3f}",
        )
        for one in results:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=_clean(f"{matrix.workflow}.{step}"),
                name=_clean(one.cell.id),
                time=f"{one.times.total:.3f}",
            )
            if one.outcome == "not_fired":
                found = ElementTree.SubElement(case, "error", message=_clean(one.detail))
                found.text = _clean(one.detail)
            elif not one.allowed:
                allowed = " or ".join(one.cell.allowed)
                found = ElementTree.SubElement(
                    case,
                    "failure",
                    message=_clean(f"{one.outcome}: {one.detail}; allowed is {allowed}"),
                )
                found.text = _clean(f"again: surefoot chaos replay {one.cell.id}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold: control characters and lone surrogates."""
    return "".join(
        one
        for one in text
        if one in "\t\n\r"
        or ("\x20" <= one < "\ud800")
        or ("\ue000" <= one <= "\ufffd")
        or one > "\uffff"
    )
