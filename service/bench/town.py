"""The registry of a benchmark: many like devices, written by one statement per table."""

from __future__ import annotations

import psycopg

from service.bench.payloads import DEVICES_PER_GATEWAY, N_METRICS

# m0 of every device has a limit, so each reading of it is judged; the load stays below unless told otherwise.
# Red: notes of other levels wait for each other, and the time measured would be that of the waiting.
_STATEMENTS = (
    """INSERT INTO registry_area (code, name, level) VALUES ('bench', '压测区', 'county')""",
    """INSERT INTO registry_enterprise
        (code, name, name_en, area_id, address, industry, category, sector, department, dust_kind,
        dust_workers, active)
        SELECT 'bench', '压测企业', 'bench', id, '', '', '', '', '', '', 0, true FROM registry_area""",
    """INSERT INTO registry_contact (code, name, role, enterprise_id, active)
        SELECT 'bench-officer', '安全员', 'safety_officer', id, true FROM registry_enterprise""",
    """INSERT INTO registry_contactaddress (contact_id, channel, address, "order")
        SELECT id, 'webhook', '', 0 FROM registry_contact""",
    """INSERT INTO registry_gateway (code, enterprise_id, zone, lenient, active)
        SELECT 'bg' || lpad(n::text, 4, '0'), e.id, 'Asia/Shanghai', false, true
        FROM registry_enterprise e, generate_series(0, (%(devices)s - 1) / %(per_gateway)s) n""",
    """INSERT INTO registry_device (gateway_id, code, name_zh, name_en, place, profile, model, active)
        SELECT g.id, 'bd' || lpad(n::text, 5, '0'), '压测设备', '', '', 'load_meter', '', true
        FROM generate_series(0, %(devices)s - 1) n
        JOIN registry_gateway g ON g.code = 'bg' || lpad((n / %(per_gateway)s)::text, 4, '0')""",
    """INSERT INTO registry_series
        (device_id, signal, name_zh, name_en, unit, period_s, physical_low, physical_high, mandatory, active)
        SELECT d.id, 'm' || n, '', '', 'A', 60, -1000000, 1000000, false, true
        FROM registry_device d, generate_series(0, %(metrics)s - 1) n""",
    """INSERT INTO registry_limit (series_id, level, side, "limit", deadband, on_delay_s, off_delay_s)
        SELECT id, 4, 'high', 400, 10, 0, 0 FROM registry_series WHERE signal = 'm0'""",
)


def build(dsn: str, *, n_devices: int) -> None:
    """Fill an empty registry with n_devices devices of ten series each."""
    numbers = {"devices": n_devices, "per_gateway": DEVICES_PER_GATEWAY, "metrics": N_METRICS}
    with psycopg.connect(dsn) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement, numbers if "%(" in statement else None)
