"""The direction of imports (design §2) as a test."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = "core registry ingest detectors alerts storage console dashboards simulators service"
OURS = set(EVERYTHING.split())
ALLOWED = {
    "core": set(),
    "registry": {"core"},
    "ingest": {"core", "registry"},
    "detectors": {"core"},
    "alerts": {"core", "registry"},
    "storage": {"core", "registry", "alerts"},
    "console": {"core", "registry", "alerts", "storage"},
    "dashboards": {"core"},
    "simulators": {"core"},
    "service": OURS,
}
# What decides knows no event loop, database, web framework or clock (design §2).
PURE = ["core", "detectors", "alerts"]
IMPURE_PARTS = {"notify"}
FORBIDDEN_IN_PURE = {"asyncio", "psycopg", "django", "threading", "socket", "paho", "aiomqtt", "httpx"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_the_table_allows(package):
    for path in modules(package):
        ours = imported(path) & OURS - {package}
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {sorted(ours - ALLOWED[package])}"


@pytest.mark.parametrize("package", PURE)
def test_deciding_code_knows_no_io(package):
    for path in modules(package):
        if IMPURE_PARTS & set(path.relative_to(ROOT).parts):
            continue
        wrong = imported(path) & FORBIDDEN_IN_PURE
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_core_imports_only_numpy_beside_the_standard_library():
    for path in modules("core"):
        assert imported(path) - set(sys.stdlib_module_names) <= {"numpy", "core"}, path
