"""Handling, deadlines, holding back and shelving of alerts; the chain over their history (docs/alerts.md)."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent


def change(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute((HERE / "0003_alert_handling.sql").read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    dependencies = [("storage", "0002_series_info")]
    operations = [migrations.RunPython(change, migrations.RunPython.noop)]
