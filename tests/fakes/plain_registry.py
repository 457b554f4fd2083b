"""A town file as a catalog, without a database: for tests of what is made of a catalog."""

from registry import signals
from registry.importer.toml_form import read_toml
from registry.load import Rows, build


def catalog_of(text):
    """Return the catalog of a town file; primary keys count from 1 in the order of the file."""
    town = read_toml(text, "town.toml")
    assert not town.errors, town.errors
    entries = {kind: list(found.values()) for kind, found in town.entries.items()}
    ids = {kind: {e.key: n for n, e in enumerate(found, 1)} for kind, found in entries.items()}

    def row(kind, entry, *columns):
        refers = ids | {"parent": ids["area"]}
        values = [entry.fields.get(name, default) for name, default in columns]
        return (ids[kind][entry.key], *(refers[name][v] if name in refers and v else v
                for (name, _), v in zip(columns, values, strict=True)))  # fmt: skip

    def known(entry):
        return signals.find(entry.key[-1])

    return build(
        Rows(
            areas=[row("area", e, ("name", ""), ("parent", 0)) + e.key for e in entries["area"]],
            enterprises=[
                (*row("enterprise", e, ("name", ""), ("name_en", ""), ("area", 0), ("active", True)), e.key[0], e.fields.get("grade", 0), e.fields.get("department", ""))
                for e in entries["enterprise"]
            ],
            gateways=[
                (ids["gateway"][e.key], e.key[0], ids["enterprise"][e.fields["enterprise"]],
                 "Asia/Shanghai", False, True, 0, False)
                for e in entries["gateway"]
            ],
            devices=[
                (ids["device"][e.key], ids["gateway"][e.key[:1]], e.key[1], e.fields["name_zh"], "", "",
                 e.fields["profile"], True)
                for e in entries["device"]
            ],
            series=[
                (ids["series"][e.key], ids["device"][e.key[:2]], e.key[2], known(e).zh, known(e).en, known(e).unit,
                 e.fields.get("period_s", 10.0), None, None, e.fields.get("mandatory", False), True)
                for e in entries["series"]
            ],
            limits=[
                (ids["series"][e.key], limit.level, limit.side == "high", limit.limit, limit.deadband,
                 limit.on_delay_s, limit.off_delay_s)
                for e in entries["series"] for limit in e.fields.get("limits", ())
            ],
            contacts=[],
        )
    )  # fmt: skip
