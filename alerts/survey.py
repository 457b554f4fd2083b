"""Survey: holes in who is told: enterprises, levels and routes for which somebody is missing; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerts.router import Router
from alerts.tree import Node
from core.events import SubjectKind
from core.levels import Level


@dataclass(frozen=True, slots=True)
class Hole:
    """Something missing; `where` names it, `problem` is Chinese and English."""

    where: str
    problem: str


def holes(router: Router, now: int) -> Iterator[Hole]:
    """Yield what is missing in registry and routes; silence means that everybody can be told by somebody."""
    yield from _of_routes(router)
    for key, firm in sorted(router.directory.firms.items()):
        subject = router.book.subject(SubjectKind.ENTERPRISE, key)
        for level in Level:
            facts = router.facts_of("*", level, subject, "", dq=False)
            for stop in router.explain(facts, subject, now):
                if stop.gap[0]:
                    yield Hole(f"{firm.code} {level.en}", f"{stop.gap[0]} / {stop.gap[1]}")
        yield from _of_rungs(router, key, firm.code, now)


def _of_rungs(router: Router, key: int, code: str, now: int) -> Iterator[Hole]:
    """Yield the rungs of red and orange on which nobody new stands."""
    for level in (Level.RED, Level.ORANGE):
        ladder = router.policy.ladder(level, data_quality=False)
        for n, rung in enumerate(ladder.rungs, 1):
            if not router.stands_on(rung, key, now):
                roles = ", ".join((*rung.roles, *rung.area_roles))
                yield Hole(
                    f"{code} {level.en}", f"第 {n} 级催办无人 / nobody on rung {n} of the ladder ({roles})"
                )


def _of_routes(router: Router) -> Iterator[Hole]:
    known = router.book.by_code
    for department, codes in router.tree.departments.items():
        for code in codes:
            if code not in known:
                yield Hole(
                    f"departments: {department}", f"台账无联系人 {code} / no contact {code} in the registry"
                )
    for one in router.tree.nodes:
        yield from _of_node(router, one.node)


def _of_node(router: Router, node: Node) -> Iterator[Hole]:
    directory, where = router.directory, f"{node.where} {node.name}"
    for code in node.to.contacts if node.to else ():
        if code not in router.book.by_code:
            yield Hole(where, f"台账无联系人 {code} / no contact {code} in the registry")
    for kind, codes, known in (
        ("area", node.match.areas, set(directory.area_code.values())),
        ("enterprise", node.match.enterprises, {firm.code for firm in directory.firms.values()}),
        ("department", node.match.departments, {firm.department for firm in directory.firms.values()}),
    ):
        for code in sorted(codes - known):
            yield Hole(where, f"台账无此项 / no {kind} {code} in the registry: this route takes nothing")
