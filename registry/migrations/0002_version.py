"""The row that says "look again", kept by triggers: bulk statements and psql change it too."""

from django.db import migrations

TABLES = ("area", "enterprise", "contact", "contactaddress", "gateway", "device", "series", "limit")

FUNCTIONS = """
INSERT INTO registry_version (id, version, changed) VALUES (1, 1, now());

CREATE FUNCTION registry_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registry_version SET version = version + 1, changed = now() WHERE id = 1;
    NOTIFY fengsui_registry;
    RETURN NULL;
END $$;

-- Samples are kept under the series' primary key: a deleted series would leave them without a name.
CREATE FUNCTION registry_keep_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'series % is retired, never deleted: UPDATE registry_series SET active = false WHERE id = %',
        OLD.id, OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER registry_keep BEFORE DELETE ON registry_series
    FOR EACH ROW EXECUTE FUNCTION registry_keep_series();
"""

TOUCH = """
CREATE TRIGGER registry_touch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registry_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION registry_touch();
"""

BACK = (
    "DROP TRIGGER registry_keep ON registry_series;"
    + "".join(f"DROP TRIGGER registry_touch ON registry_{table};" for table in TABLES)
    + "DROP FUNCTION registry_touch(); DROP FUNCTION registry_keep_series(); DELETE FROM registry_version;"
)


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTIONS + "".join(TOUCH.format(table=table) for table in TABLES), BACK)
    ]
