"""The closed vocabularies of the registry: roles, profiles, kinds of dust; each with Chinese and English.

No Django here: alerts and the importer read them too.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Whom a contact is for the service; the list is that of the policy papers this service was made from."""

    SAFETY_OFFICER = "safety_officer"
    PRINCIPAL = "principal"
    ACTUAL_CONTROLLER = "actual_controller"
    SAFETY_DIRECTOR = "safety_director"
    WORKER = "worker"
    ATTENDANT = "attendant"
    EMPLOYER = "employer"
    GRID_OFFICER = "grid_officer"
    STREET_INSPECTOR = "street_inspector"
    COUNTY_INSPECTOR = "county_inspector"
    CITY_INSPECTOR = "city_inspector"
    DUTY_OFFICER = "duty_officer"
    DEPARTMENT_LIAISON = "department_liaison"
    EXPERT = "expert"
    REVIEWER = "reviewer"
    PLATFORM_ADMIN = "platform_admin"
    UPSTREAM = "upstream"


class Profile(StrEnum):
    """What kind of device it is; decides which signals are expected of it, never a limit."""

    DRY_DUST_COLLECTOR = "dry_dust_collector"
    WET_DUST_COLLECTOR = "wet_dust_collector"
    LOAD_METER = "load_meter"
    WELDER = "welder"
    TRANSFORMER = "transformer"
    DUST_MONITOR = "dust_monitor"
    OTHER = "other"


class DustKind(StrEnum):
    """What the dust is made of; metal and wood are the kinds that the campaigns name."""

    NONE = "none"
    METAL = "metal"
    WOOD = "wood"
    COAL = "coal"
    GRAIN = "grain"
    TEXTILE = "textile"
    PLASTIC = "plastic"
    OTHER = "other"


class AreaLevel(StrEnum):
    """Administrative level, from the top; an area lies below one of a higher level."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    STREET = "street"
    VILLAGE = "village"

    @property
    def depth(self) -> int:
        """0 for a province … 4 for a village."""
        return list(AreaLevel).index(self)


class FactKind(StrEnum):
    """What can hold because somebody ordered, permitted or declared it; each is a signal of signals.toml."""

    SHUTDOWN_ORDER = "shutdown_order"
    DECLARED_STOP = "declared_stop"
    HOLIDAY = "holiday"
    PERMITTED_HOURS = "permitted_hours"
    FILTER_CHANGED = "filter_changed"
    CLEANING_RECORD = "cleaning_record"
    PERMIT = "permit"
    AUTHORISATION = "authorisation"


class Side(StrEnum):
    """On which side of a limit the danger is."""

    HIGH = "high"
    LOW = "low"


class TurnUnit(StrEnum):
    """How long a turn of a duty rota is (registry/rota.py)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class DutyDays(StrEnum):
    """On which days a layer of a duty rota counts."""

    ALL = "all"
    WORK = "work"
    REST = "rest"


# word -> (Chinese, English): what admin, pages and messages show.
WORDS: dict[StrEnum, tuple[str, str]] = {
    Role.SAFETY_OFFICER: ("企业安全员/班组", "Safety officer"),
    Role.PRINCIPAL: ("企业主要负责人", "Principal"),
    Role.ACTUAL_CONTROLLER: ("实际控制人", "Actual controller"),
    Role.SAFETY_DIRECTOR: ("安全总监", "Safety director"),
    Role.WORKER: ("作业人员（焊工）", "Worker (welder)"),
    Role.ATTENDANT: ("监护人", "Attendant"),
    Role.EMPLOYER: ("用工方", "Employer of the work"),
    Role.GRID_OFFICER: ("网格员", "Grid officer"),
    Role.STREET_INSPECTOR: ("街道监管人员", "Street inspector"),
    Role.COUNTY_INSPECTOR: ("区县监管人员", "County inspector"),
    Role.CITY_INSPECTOR: ("市监管人员", "City inspector"),
    Role.DUTY_OFFICER: ("值班员", "Duty officer"),
    Role.DEPARTMENT_LIAISON: ("行业主管部门联络员", "Department liaison"),
    Role.EXPERT: ("安全专家", "Safety expert"),
    Role.REVIEWER: ("审核人", "Reviewer"),
    Role.PLATFORM_ADMIN: ("平台管理员", "Platform administrator"),
    Role.UPSTREAM: ("上级平台", "Upstream platform"),
    Profile.DRY_DUST_COLLECTOR: ("干式除尘器", "Dry dust collector"),
    Profile.WET_DUST_COLLECTOR: ("湿式除尘器", "Wet dust collector"),
    Profile.LOAD_METER: ("用电监测仪", "Load meter"),
    Profile.WELDER: ("电焊机", "Welder"),
    Profile.TRANSFORMER: ("变压器", "Transformer"),
    Profile.DUST_MONITOR: ("粉尘浓度仪", "Dust monitor"),
    Profile.OTHER: ("其他设备", "Other device"),
    DustKind.NONE: ("不涉粉", "No dust"),
    DustKind.METAL: ("金属粉尘", "Metal"),
    DustKind.WOOD: ("木粉尘", "Wood"),
    DustKind.COAL: ("煤粉", "Coal"),
    DustKind.GRAIN: ("粮食粉尘", "Grain"),
    DustKind.TEXTILE: ("纺织纤维", "Textile"),
    DustKind.PLASTIC: ("塑料树脂", "Plastic"),
    DustKind.OTHER: ("其他", "Other"),
    AreaLevel.PROVINCE: ("省", "Province"),
    AreaLevel.CITY: ("市", "City"),
    AreaLevel.COUNTY: ("县（区）", "County"),
    AreaLevel.STREET: ("街道（镇）", "Street or town"),
    AreaLevel.VILLAGE: ("村（社区）", "Village or community"),
    TurnUnit.DAY: ("日", "day"),
    TurnUnit.WEEK: ("周", "week"),
    TurnUnit.MONTH: ("月", "month"),
    DutyDays.ALL: ("每天", "every day"),
    DutyDays.WORK: ("工作日（含调休上班）", "working days"),
    DutyDays.REST: ("休息日和法定节假日", "days off and public holidays"),
    FactKind.SHUTDOWN_ORDER: ("停产整顿令", "Shutdown order"),
    FactKind.DECLARED_STOP: ("停产报备", "Declared stop of production"),
    FactKind.HOLIDAY: ("放假停产", "Holiday"),
    FactKind.PERMITTED_HOURS: ("允许生产时段", "Permitted hours of production"),
    FactKind.FILTER_CHANGED: ("更换滤袋", "Filter bags changed"),
    FactKind.CLEANING_RECORD: ("粉尘清理记录有效", "Cleaning record valid"),
    FactKind.PERMIT: ("作业许可", "Work permit"),
    FactKind.AUTHORISATION: ("授权", "Authorisation"),
    Side.HIGH: ("上限", "Too high"),
    Side.LOW: ("下限", "Too low"),
}
