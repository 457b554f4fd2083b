"""A reject may stand for many messages: of a flood one is kept, and all are counted."""

from django.db import migrations

FORWARD = """
ALTER TABLE reject ADD count integer NOT NULL DEFAULT 1;
CREATE OR REPLACE VIEW rejects AS
SELECT r.time, r.gateway, r.reason, r.topic, r.detail,
       coalesce(r.payload, (SELECT o.payload FROM reject o WHERE o.seq = r.seq AND o.n = r.payload_n)) AS payload,
       r.count
FROM reject r;
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0003_alert_handling")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
