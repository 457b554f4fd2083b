"""An enterprise sees only itself, an inspector only the area: for readers that write SQL of their own."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql")


class Migration(migrations.Migration):
    dependencies = [("storage", "0004_reject_count"), ("registry", "0003_credential")]
    operations = [migrations.RunSQL(SQL.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
