"""Writes town.toml (twenty invented enterprises): `python -m simulators.census > simulators/town.toml`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = """\
# The simulated town: `fengsui up --demo` imports it, `fengsui run town` plays it (form: docs/registry.md).
# Written by `python -m simulators.census`; places, enterprises and people are invented, people are roles.
# Limits with a source say so; the others are defaults of ours: where nothing is wrong, the town is silent.
# No lower limit on pressure drop or water flow: a collector that is switched off would raise it.
"""

TEMPLATES = """\
[[template]]
name = "dry-collector"
series = [
  # 70 ℃ is what AQ 4273 recommends for the inlet; the hopper takes the same, with a step before it.
  { signal = "hopper_temperature", period_s = 5, mandatory = true, limits = [
    { level = "orange", high = 60, deadband = 5, on_delay_s = 30, off_delay_s = 60 },
    { level = "red", high = 70, deadband = 5, on_delay_s = 10, off_delay_s = 60 },
  ] },
  { signal = "inlet_temperature", period_s = 5, limits = [
    { level = "red", high = 70, deadband = 5, on_delay_s = 10, off_delay_s = 60 },
  ] },
  { signal = "outlet_temperature", period_s = 10 },
  # No limits: the rules D-05 and D-06 judge it while the fan runs.
  { signal = "differential_pressure", period_s = 5, mandatory = true },
  { signal = "wind_speed", period_s = 10 },
  { signal = "lock_air_fault", period_s = 30, mandatory = true, limits = [
    { level = "orange", high = 0.5, on_delay_s = 30 },
  ] },
  { signal = "pulse_air_pressure", period_s = 30 },
  { signal = "fan_running", period_s = 30 },
  { signal = "fan_current", period_s = 10 },
  { signal = "production_running", period_s = 30 },
  { signal = "spark_detected", period_s = 0, limits = [{ level = "red", high = 0.5 }] },
]

[[template]]
name = "wet-collector"
series = [
  { signal = "water_level", period_s = 5, mandatory = true, limits = [
    { level = "yellow", low = 700, deadband = 20, on_delay_s = 30, off_delay_s = 30 },
    { level = "orange", low = 550, deadband = 20, on_delay_s = 15, off_delay_s = 30 },
  ] },
  { signal = "water_flow", period_s = 5, mandatory = true },
  { signal = "water_pressure", period_s = 10 },
  { signal = "fan_running", period_s = 30 },
  { signal = "fan_current", period_s = 10 },
]

# Aluminium and magnesium in water give off hydrogen.
[[template]]
name = "wet-metal-collector"
series = [
  { signal = "water_level", period_s = 5, mandatory = true, limits = [
    { level = "yellow", low = 700, deadband = 20, on_delay_s = 30, off_delay_s = 30 },
    { level = "orange", low = 550, deadband = 20, on_delay_s = 15, off_delay_s = 30 },
  ] },
  { signal = "water_flow", period_s = 5, mandatory = true },
  { signal = "water_pressure", period_s = 10 },
  { signal = "hydrogen", period_s = 5, limits = [
    { level = "yellow", high = 10, deadband = 2, on_delay_s = 20, off_delay_s = 60 },
    { level = "red", high = 25, deadband = 3, on_delay_s = 5, off_delay_s = 60 },
  ] },
  { signal = "fan_running", period_s = 30 },
  { signal = "fan_current", period_s = 10 },
]

[[template]]
name = "meter"
series = [
  # 220 V +7 % / -10 % (GB/T 12325-2008).
  { signal = "voltage_a", period_s = 10, limits = [
    { level = "yellow", high = 235.4, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
    { level = "yellow", low = 198.0, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
  ] },
  { signal = "voltage_b", period_s = 10, limits = [
    { level = "yellow", high = 235.4, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
    { level = "yellow", low = 198.0, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
  ] },
  { signal = "voltage_c", period_s = 10, limits = [
    { level = "yellow", high = 235.4, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
    { level = "yellow", low = 198.0, deadband = 1, on_delay_s = 60, off_delay_s = 60 },
  ] },
  { signal = "current_a", period_s = 5 },
  { signal = "current_b", period_s = 5 },
  { signal = "current_c", period_s = 5 },
  { signal = "active_power", period_s = 10 },
  { signal = "power_factor", period_s = 30 },
  { signal = "frequency", period_s = 30 },
  { signal = "active_energy", period_s = 60 },
  # The rules E-01 and E-03 have limits for these.
  { signal = "residual_current", period_s = 5 },
  { signal = "cable_temperature", period_s = 10 },
]

[[template]]
name = "welder"
series = [
  { signal = "welding_current", period_s = 2 },
  { signal = "arc_voltage", period_s = 2 },
  { signal = "no_load_voltage", period_s = 10, limits = [{ level = "orange", high = 113, on_delay_s = 10 }] },
  { signal = "primary_current", period_s = 10 },
  { signal = "leakage_current", period_s = 5, limits = [
    { level = "orange", high = 30, deadband = 3, on_delay_s = 10, off_delay_s = 30 },
  ] },
  { signal = "case_temperature", period_s = 30 },
  { signal = "unlocked", period_s = 60 },
]
"""

# The device whose hopper smoulders first: sampled every second, with delays short enough to watch.
QUICK = """\
# Short delays: this is the hopper that smoulders first, and a visitor should see it climb.
series = [
  { signal = "hopper_temperature", period_s = 1, mandatory = true, limits = [
    { level = "orange", high = 60, deadband = 5, on_delay_s = 3, off_delay_s = 10 },
    { level = "red", high = 70, deadband = 5, on_delay_s = 3, off_delay_s = 10 },
  ] },
]
"""

AREAS = (
    ("99", "示例省", "province", ""),
    ("9901", "示例市", "city", "99"),
    ("990101", "烽燧县", "county", "9901"),
    ("990101001", "望楼街道", "street", "990101"),
    ("990101002", "青松镇", "street", "990101"),
    ("990101003", "铁炉镇", "street", "990101"),
    ("990101004", "炊烟镇", "street", "990101"),
    ("990101001001", "东台社区", "village", "990101001"),
    ("990101001002", "西台社区", "village", "990101001"),
    ("990101002001", "松下村", "village", "990101002"),
    ("990101002002", "柏林村", "village", "990101002"),
    ("990101003001", "上炉村", "village", "990101003"),
    ("990101003002", "下炉村", "village", "990101003"),
    ("990101004001", "南灶村", "village", "990101004"),
    ("990101004002", "北灶村", "village", "990101004"),
)


@dataclass(frozen=True, slots=True)
class Works:
    """One enterprise: name, where, what dust, how many people at it, and how many machines of each kind."""

    name: str
    name_en: str
    area: str
    industry: str
    dust: str
    workers: int
    grade: str
    dry: int
    wet: int
    meters: int
    welders: int


WORKS = (
    Works(
        "烽火铝轮毂抛光厂",
        "Beacon Alloy Wheels",
        "990101003001",
        "金属制品业",
        "metal",
        46,
        "red",
        2,
        1,
        1,
        1,
    ),
    Works(
        "上炉铝型材厂", "Upper Forge Aluminium", "990101003001", "金属制品业", "metal", 34, "red", 2, 1, 1, 1
    ),
    Works(
        "下炉镁合金压铸厂",
        "Lower Forge Magnesium",
        "990101003002",
        "金属制品业",
        "metal",
        18,
        "red",
        0,
        2,
        1,
        0,
    ),
    Works(
        "铁炉五金打磨厂",
        "Forge Town Hardware",
        "990101003002",
        "金属制品业",
        "metal",
        22,
        "orange",
        1,
        1,
        1,
        0,
    ),
    Works(
        "望楼不锈钢制品厂",
        "Watchtower Stainless",
        "990101001001",
        "金属制品业",
        "metal",
        15,
        "orange",
        1,
        0,
        1,
        2,
    ),
    Works(
        "东台锌合金配件厂",
        "East Terrace Zinc",
        "990101001001",
        "金属制品业",
        "metal",
        12,
        "orange",
        1,
        0,
        1,
        0,
    ),
    Works(
        "西台汽车零部件厂",
        "West Terrace Auto Parts",
        "990101001002",
        "汽车制造业",
        "metal",
        28,
        "orange",
        1,
        1,
        1,
        2,
    ),
    Works(
        "南灶自行车架厂",
        "South Hearth Frames",
        "990101004001",
        "金属制品业",
        "metal",
        11,
        "yellow",
        0,
        1,
        1,
        2,
    ),
    Works("青松木业厂", "Green Pine Wood", "990101002001", "木材加工业", "wood", 38, "red", 2, 0, 1, 0),
    Works(
        "松下实木家具厂", "Pine Foot Furniture", "990101002001", "家具制造业", "wood", 52, "red", 2, 0, 1, 0
    ),
    Works(
        "柏林地板厂", "Cypress Wood Floors", "990101002002", "木材加工业", "wood", 27, "orange", 2, 0, 1, 0
    ),
    Works("柏林木门厂", "Cypress Wood Doors", "990101002002", "木材加工业", "wood", 16, "orange", 1, 0, 1, 0),
    Works("炊烟板材厂", "Hearth Smoke Panels", "990101004001", "木材加工业", "wood", 41, "red", 2, 0, 1, 0),
    Works(
        "北灶玩具木件厂", "North Hearth Toys", "990101004002", "木材加工业", "wood", 9, "yellow", 1, 0, 1, 0
    ),
    Works(
        "青松竹制品厂", "Green Pine Bamboo", "990101002001", "木材加工业", "wood", 13, "yellow", 1, 0, 1, 0
    ),
    Works(
        "西台钢结构厂",
        "West Terrace Steelwork",
        "990101001002",
        "金属制品业",
        "none",
        0,
        "yellow",
        0,
        0,
        1,
        4,
    ),
    Works(
        "下炉机械修配厂", "Lower Forge Repairs", "990101003002", "金属制品业", "none", 0, "yellow", 0, 0, 1, 3
    ),
    Works(
        "南灶农机厂",
        "South Hearth Farm Machines",
        "990101004001",
        "设备制造业",
        "metal",
        10,
        "yellow",
        1,
        0,
        1,
        2,
    ),
    Works(
        "北灶饲料厂", "North Hearth Feed", "990101004002", "农副食品加工业", "grain", 14, "orange", 2, 0, 1, 0
    ),
    Works(
        "东台压力容器厂",
        "East Terrace Vessels",
        "990101001001",
        "设备制造业",
        "none",
        0,
        "orange",
        0,
        0,
        2,
        4,
    ),
)

AREA_CONTACTS = (
    ("990101-duty", "县值班员", "duty_officer", "990101"),
    ("990101-inspector", "县应急局监管人员", "county_inspector", "990101"),
    ("9901-inspector", "市应急局监管人员", "city_inspector", "9901"),
    ("990101001-inspector", "望楼街道监管人员", "street_inspector", "990101001"),
    ("990101002-inspector", "青松镇监管人员", "street_inspector", "990101002"),
    ("990101003-inspector", "铁炉镇监管人员", "street_inspector", "990101003"),
    ("990101004-inspector", "炊烟镇监管人员", "street_inspector", "990101004"),
)


def area(row: tuple[str, str, str, str]) -> str:
    """Return the table of one area."""
    code, name, level, parent = row
    above = f'parent = "{parent}"\n' if parent else ""
    return f'[[area]]\ncode = "{code}"\nname = "{name}"\nlevel = "{level}"\n{above}'


def contact(code: str, name: str, role: str, owner: str) -> str:
    """Return the table of one contact; `owner` is `enterprise = "…"` or `area = "…"`."""
    return (
        f'[[contact]]\ncode = "{code}"\nname = "{name}"\nrole = "{role}"\n{owner}\n'
        'addresses = { log = "-" }\n'
    )


def enterprise(number: int, works: Works) -> Iterator[str]:
    """Yield the tables of one enterprise: itself, its people, its gateway, its devices."""
    code, gateway = f"E{number:02d}", f"gw-{number:02d}"
    sector = 'sector = "粉尘涉爆"\n' if works.dust != "none" else ""
    yield (
        f'# ---- {works.name} ----\n[[enterprise]]\ncode = "{code}"\nname = "{works.name}"\n'
        f'name_en = "{works.name_en}"\narea = "{works.area}"\nindustry = "{works.industry}"\n{sector}'
        f'department = "应急管理局"\ngrade = "{works.grade}"\n'
        f'dust_kind = "{works.dust}"\ndust_workers = {works.workers}\n'
        f"longitude = {117.20 + 0.013 * (number * 7 % 20):.3f}\n"
        f"latitude = {34.70 + 0.011 * (number * 3 % 20):.3f}\n"
    )
    owner = f'enterprise = "{code}"'
    yield contact(f"{code}-safety", f"{works.name}安全员", "safety_officer", owner)
    yield contact(f"{code}-principal", f"{works.name}主要负责人", "principal", owner)
    yield f'[[gateway]]\ncode = "{gateway}"\nenterprise = "{code}"\n'
    yield from devices(gateway, works)


def devices(gateway: str, works: Works) -> Iterator[str]:
    """Yield the tables of the devices behind one gateway."""
    wet = "wet-metal-collector" if works.dust == "metal" else "wet-collector"
    kinds = (
        (works.dry, "dc", "号干式除尘器", "Dry collector", "dry_dust_collector", "dry-collector"),
        (works.wet, "wc", "号湿式除尘器", "Wet collector", "wet_dust_collector", wet),
        (works.meters, "meter", "号进线电表", "Feeder meter", "load_meter", "meter"),
        (works.welders, "welder", "号电焊机", "Welder", "welder", "welder"),
    )
    for count, short, name, name_en, profile, template in kinds:
        for one in range(1, count + 1):
            quick = QUICK if (gateway, short, one) == ("gw-01", "dc", 1) else ""
            yield (
                f'[[device]]\ngateway = "{gateway}"\ncode = "{short}-{one}"\nname = "{one}{name}"\n'
                f'name_en = "{name_en} {one}"\nprofile = "{profile}"\ntemplate = "{template}"\n{quick}'
            )


def text() -> str:
    """Return the whole file."""
    parts = [HEADER, *map(area, AREAS)]
    parts += [contact(code, name, role, f'area = "{owner}"') for code, name, role, owner in AREA_CONTACTS]
    parts.append(TEMPLATES)
    for number, works in enumerate(WORKS, start=1):
        parts += enterprise(number, works)
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(text())
