"""How good the alarming is: views after ISA-18.2 / IEC 62682."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent
VIEWS = (
    "kpi_stale", "kpi_chattering", "kpi_flood_10m", "kpi_told_10m", "kpi_response", "kpi_unacknowledged", "kpi_active",
    "kpi_alarms",
)  # fmt: skip


def create(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute((HERE / "0006_kpi.sql").read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    dependencies = [("storage", "0005_isolation")]
    operations = [
        migrations.RunPython(create, migrations.RunPython.noop),
        migrations.RunSQL(migrations.RunSQL.noop, "".join(f"DROP VIEW {view};" for view in VIEWS)),
    ]
