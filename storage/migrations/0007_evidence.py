"""Evidence of alerts (docs/alerts.md)."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent


def change(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute((HERE / "0007_evidence.sql").read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    dependencies = [("storage", "0006_kpi")]
    operations = [migrations.RunPython(change, migrations.RunPython.noop)]
