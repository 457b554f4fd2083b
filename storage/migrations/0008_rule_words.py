"""Titles and advice of rules, for pages and dashboards."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent


def change(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute((HERE / "0008_rule_words.sql").read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    dependencies = [("storage", "0007_evidence")]
    operations = [migrations.RunPython(change, migrations.RunPython.noop)]
