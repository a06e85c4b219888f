"""What the workflow asks of the package: the checked configuration, and a fingerprint of each verb's code.

A rule carries ``code("verb")`` among its parameters. The fingerprint covers the verb's own lines and every
module that it imports, directly or not, with the data files beside them; so a change of code rebuilds what
depends on it and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from finer.config import Config, parse
from finer.containers.digest import shell_prefix
from finer.errors import InputError
from finer.mllm.registry import ENGINE_MODULES
from finer.retrieval.sources import needed, registry

PACKAGE = Path(__file__).parent


def load(values: Mapping[str, Any]) -> Config:
    """Validate Snakemake's merged configuration; errors appear without a traceback."""
    from snakemake.exceptions import WorkflowError

    try:
        return parse(values, file="configuration (config.yaml with its overlays)")
    except InputError as error:
        raise WorkflowError(str(error)) from None


def job_prefix(workflow: Any, config: Config) -> str:
    """Return what stands before each job's command; digests of images are read only if jobs run in them."""
    from snakemake_interface_executor_plugins.settings import DeploymentMethod

    contained = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
    images = (config.containers.cpu, config.containers.gpu) if contained else ()
    prefix = shell_prefix(Path(sys.executable).parent, PACKAGE.parent, images)
    return prefix.replace("{", "{{").replace("}", "}}")  # Snakemake formats it


@cache
def code(verb: str, *named: str) -> str:
    """Return 12 hex digits over everything in the package that ``python -m finer <verb>`` may run.

    ``named``: modules that the verb loads by name, such as a suite's.
    """
    text, imports = _verb(verb)
    digest = hashlib.sha256(text.encode())
    for path in sorted(_files(_closure(imports | frozenset(named)))):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def with_code(plan: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Add the fingerprints of what rules run that load modules by name: suites, and the engines of models."""
    for entry in plan["models"].values():
        engine = ENGINE_MODULES[entry["engine"]]
        entry |= {"answer_code": code("answer", engine), "verify_code": code("verify", engine)}
        if "compared" in entry:
            entry["parity_code"] = code("parity", *(ENGINE_MODULES[name] for name in entry["compared"]))
    for entry in plan["suites"].values():
        named = _suite_module(entry["module"])
        entry |= {
            "judged": _is_judged(entry["module"]),
            "world_code": code("world-suite", f"finer.world.suites.{entry['module']}"),
            "items_code": code("items-suite", named),
        }
    for model in plan["models"].values():
        model["judged"] = {
            name: [model["suites"][suite] for suite in group["suites"] if plan["suites"][suite]["judged"]]
            for name, group in plan["groups"].items()
        }
    for entry in plan["estimates"].values():
        entry["code"] = code("estimates-suite", _suite_module(entry["module"]))
    return plan


def origins(config: Config) -> dict[str, dict[str, list[str]]]:
    """Return what the retrieval of each source that a configuration needs puts where, and what it waits for."""
    data = config.data_root
    found: dict[str, dict[str, list[str]]] = {}
    for name in needed(config.raw_paths(), data):
        source = registry()[name]
        files, folders = ([f"{data}/{path}" for path in paths] for paths in source.outputs(name))
        waits = [path for need in source.needs for path in (*found[need]["files"], *found[need]["folders"])]
        found[name] = {"files": files, "folders": folders, "waits": waits}
    return found


def suite_code(verb: str, modules: Iterable[str]) -> str:
    """Return the fingerprint of a verb that loads several suites' modules by name."""
    return code(verb, *map(_suite_module, modules))


def _is_judged(module: str) -> bool:
    """Tell whether a suite takes scores from a judge."""
    from snakemake.exceptions import WorkflowError

    from finer.suites.suite import load_suite

    try:
        return load_suite(module).judged
    except InputError as error:
        raise WorkflowError(str(error)) from None


def _suite_module(name: str) -> str:
    return name if "." in name else f"finer.suites.{name}"


def modules(verb: str) -> frozenset[str]:
    """Return the package's modules that a verb may run."""
    return _closure(_verb(verb)[1])


def _verb(verb: str) -> tuple[str, frozenset[str]]:
    """Return a verb's own source text and the modules that it imports."""
    name = verb.replace("-", "_")
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return ast.get_source_segment(source, node) or "", _imports(node, f"finer.cli.{path.stem}")
    raise KeyError(f"no verb '{verb}'")


def _imports(tree: ast.AST, module: str) -> frozenset[str]:
    """Names of the package's modules imported anywhere below a syntax node, function bodies included."""
    return frozenset(name for name in _named(tree, module) if _path(name) is not None)


def _named(tree: ast.AST, module: str) -> Iterator[str]:
    is_package = (_path(module) or PACKAGE).name == "__init__.py"
    parent = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = parent.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _path(module: str) -> Path | None:
    """File of a module of the package, or None if there is no such module."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts[1:])
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _direct(module: str) -> frozenset[str]:
    path = _path(module)
    return frozenset() if path is None else _imports(ast.parse(path.read_text(encoding="utf-8")), module)


def _closure(start: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= _direct(module) - found
    return frozenset(found)


def _files(names: frozenset[str]) -> Iterator[Path]:
    """Files of the modules, and the data files (prompts, templates, lexicons) that lie beside them."""
    for name in names:
        path = _path(name)
        if path is None or path.parent == PACKAGE:
            if path is not None:
                yield path
            continue
        yield path
        yield from (
            other
            for other in path.parent.rglob("*")
            if other.is_file() and other.suffix not in (".py", ".pyc") and "__pycache__" not in other.parts
        )
