"""All tables, from the SQL beside this file; which samples table it is depends on TimescaleDB being there."""

from pathlib import Path

from django.db import migrations

from storage.timescale import enable

HERE = Path(__file__).parent


def create(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        world = "timescale" if enable(cursor) else "native"
        for name in ("schema", world, "views"):
            cursor.execute((HERE / f"0001_{name}.sql").read_text(encoding="utf-8"))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
