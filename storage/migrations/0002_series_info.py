"""series_info: what a series is called and whom it belongs to, for dashboards."""

from django.db import migrations

CREATE = """
CREATE VIEW series_info AS
SELECT s.id AS series_id, s.signal, s.name_zh, s.name_en, s.unit, s.period_s, s.mandatory,
       s.active AND d.active AND g.active AND e.active AS active,
       d.id AS device_id, d.code AS device, d.name_zh AS device_zh, d.name_en AS device_en, d.place, d.profile,
       g.id AS gateway_id, g.code AS gateway,
       e.id AS enterprise_id, e.code AS enterprise, e.name AS enterprise_name,
       a.id AS area_id, a.code AS area, a.name AS area_name
FROM registry_series s
JOIN registry_device d ON d.id = s.device_id
JOIN registry_gateway g ON g.id = d.gateway_id
JOIN registry_enterprise e ON e.id = g.enterprise_id
JOIN registry_area a ON a.id = e.area_id
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0001_initial"), ("registry", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP VIEW series_info")]
