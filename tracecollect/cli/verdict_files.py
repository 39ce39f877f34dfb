"""What `run` found, for machines: JUnit XML, SARIF and GitHub's annotations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import tracecollect
from tracecollect.cli.tables import clean
from tracecollect.errors import UsageError
from tracecollect.model import Finding, LeakReport, Verdict

# What the dialects spell where a file is known; `function:line` has no ` in `.
_CODE = re.compile(r"^(?P<path>.+):(?P<line>\d+) in ")
_LEVELS = {Verdict.LEAKED: "error", Verdict.SUSPECTED: "warning"}
_HELP = "Give the connection back on every path: use the pool's context manager, or close it in a finally."


def accused(report: LeakReport) -> list[Finding]:
    """The findings that say that somebody forgot a connection."""
    return [one for one in report.findings if one.verdict in _LEVELS]


def place(one: Finding) -> tuple[str, int]:
    """File and line of a finding; no file where none is known."""
    found = _CODE.match(one.code or "")
    return (found["path"], int(found["line"])) if found else ("", 0)


def sentence(one: Finding) -> str:
    """A finding in one line."""
    many = "a connection was" if one.leaked_count == 1 else f"{one.leaked_count} connections were"
    by = f" by {one.entry}" if one.entry else ""
    return clean(f"{many} taken{by} from {one.pool} and not given back ({one.verdict})")


def junit(report: LeakReport) -> str:
    """One test case a finding, failed; one that passed where there is none."""
    found = accused(report)
    failed = sum(one.verdict is Verdict.LEAKED for one in found)
    cases = [_case(one) for one in found] or ['  <testcase classname="tracecollect" name="no connection leaks"/>']
    head = f'name="tracecollect" tests="{len(cases)}" failures="{failed}" errors="0" skipped="{len(found) - failed}"'
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join((f"<testsuite {head}>", *cases, "</testsuite>", ""))


def _case(one: Finding) -> str:
    path, line = place(one)
    where = f" file={quoteattr(path)} line={quoteattr(str(line))}" if path else ""
    name = quoteattr(clean(one.code or one.statement or one.pool))
    body = "\n".join(clean(evidence.text) for evidence in one.evidence)
    kind = "failure" if one.verdict is Verdict.LEAKED else "skipped"
    said = f"    <{kind} message={quoteattr(sentence(one))}>{escape(body)}</{kind}>"
    return f"  <testcase classname={quoteattr(clean(one.service))} name={name}{where}>\n{said}\n  </testcase>"


def sarif(report: LeakReport) -> str:
    """SARIF 2.1.0: a leak site is a result at its file and line."""
    rule = {
        "id": "connection-leak",
        "name": "ConnectionLeak",
        "shortDescription": {"text": "A database connection was taken and never given back"},
        "help": {"text": _HELP},
    }
    driver = {"name": "tracecollect", "version": tracecollect.__version__, "rules": [rule]}
    run = {"tool": {"driver": driver}, "results": [_result(one) for one in accused(report)]}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(one: Finding) -> dict[str, object]:
    path, line = place(one)
    result: dict[str, object] = {
        "ruleId": "connection-leak",
        "level": _LEVELS[one.verdict],
        "message": {"text": sentence(one)},
        "partialFingerprints": {"finding/v1": one.id},
    }
    if path:
        location = {"artifactLocation": {"uri": Path(path).as_posix()}, "region": {"startLine": line}}
        result["locations"] = [{"physicalLocation": location}]
    return result


def github(report: LeakReport) -> list[str]:
    """Workflow commands of GitHub Actions: marks beside the lines of a pull request."""
    return [_annotation(one) for one in accused(report)]


def _annotation(one: Finding) -> str:
    path, line = place(one)
    where = f"file={_property(path)},line={line}," if path else ""
    return f"::{_LEVELS[one.verdict]} {where}title=connection leak::{_data(sentence(one))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write(path: Path, text: str) -> None:
    """A file, whole. Raises `UsageError` where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="choose another file") from error
