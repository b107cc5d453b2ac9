"""The report as one JSON object, for machines; its keys are a contract."""

import json
from typing import Any

from harness.ecosystems.reuse import PartReuse
from harness.trees.manifest import ALGORITHM, Entry, escape
from harness.verdicts.divergence import Divergence
from harness.verdicts.result import CleanMade, Failure, Known, Result, Run, Step

FORMAT = 2


def render(run: Run) -> str:
    """The whole run as JSON text, with a newline at its end."""
    report = {
        "format": FORMAT,
        "results": [_result(result) for result in run.results],
        "builds": {
            "needed": run.builds.needed,
            "run": run.builds.run,
            "reused": run.builds.reused,
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _result(result: Result) -> dict[str, Any]:
    return {
        "scenario": escape(result.scenario),
        "file": escape(result.file),
        "buildpack": escape(result.buildpack),
        "sandbox": result.sandbox,
        "image": result.image,
        "verdict": str(result.verdict),
        "error": result.error,
        "missing": list(result.missing),
        "stale": list(result.stale),
        "steps": [_step(step) for step in result.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "commit": step.commit,
        "message": step.message,
        "verdict": str(step.verdict),
        "reuse": str(step.reuse),
        "reuse_parts": {str(part.part): _part(part) for part in step.reuse_parts},
        "reasons": list(step.reasons),
        "clean": _clean(step.clean) if step.clean else None,
        "seconds": {
            "cached": round(step.seconds.cached, 3),
            "clean": round(step.seconds.clean, 3),
        },
        "compared": step.compared,
        "divergences": [_divergence(divergence) for divergence in step.divergences],
        "noise": [_divergence(divergence) for divergence in step.noise],
        "repeated": step.repeated,
        "notes": [
            {"rule": note.rule, "why": note.why, "paths": [escape(path) for path in note.paths]}
            for note in step.notes
        ],
        "set_aside": [{"rule": aside.rule, "count": aside.count} for aside in step.set_aside],
        "findings": list(step.findings),
        "unmet": list(step.unmet),
        "found_instead": {one.unmet: list(one.lines) for one in step.found_instead},
        "known": [_known(known) for known in step.known],
        "failures": [_failure(failure) for failure in step.failures],
        "refused": [
            {"method": request.method, "url": request.url, "why": request.refused}
            for request in step.refused
        ],
        "stand_ins": [{"asked": one.asked, "served": one.served} for one in step.stand_ins],
    }


def _clean(clean: CleanMade) -> dict[str, Any]:
    return {
        "files": [escape(path) for path in clean.files],
        "env": list(clean.env),
        "buildpack": clean.buildpack or None,
    }


def _part(part: PartReuse) -> dict[str, Any]:
    return {
        "reuse": str(part.reuse),
        "basis": [str(basis) for basis in part.basis],
        "from_cache": [escape(name) for name in part.restored],
        "anew": [escape(name) for name in part.anew],
        "unknown": [escape(name) for name in part.unknown],
        "instead": [escape(name) for name in part.instead],
    }


def _known(known: Known) -> dict[str, Any]:
    return {
        "divergence": _divergence(known.divergence) if known.divergence else None,
        "unmet": known.unmet,
        "failed": known.failed,
        "reason": known.reason,
        "link": known.link,
    }


def _divergence(divergence: Divergence) -> dict[str, Any]:
    return {
        "tree": divergence.tree,
        "path": escape(divergence.path),
        "kind": str(divergence.kind),
        "distribution": divergence.distribution,
        "cached": _entry(divergence.cached),
        "clean": _entry(divergence.clean),
        "origin": divergence.origin,
        "why": divergence.why,
        "paths": [escape(path) for path in divergence.paths],
    }


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    facts: dict[str, Any] = {"type": str(entry.kind), "mode": f"{entry.mode:04o}"}
    if entry.attributes:
        facts["attributes"] = dict(entry.attributes)
    if entry.digest:
        facts |= {"size": entry.size, "digest": f"{ALGORITHM}:{entry.digest}"}
    if entry.target:
        facts["target"] = escape(entry.target)
    return facts


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "arm": failure.arm,
        "command": failure.command,
        "how": failure.how,
        "log_tail": list(failure.log_tail),
    }
