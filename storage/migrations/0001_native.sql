-- Samples and rollups on plain PostgreSQL: native range partitions, made ahead by storage/maintenance.py or by the first row
-- that needs one.  Column order wastes no alignment: 48 bytes a row.

CREATE TABLE sample (
    time timestamptz NOT NULL,
    value double precision NOT NULL,
    series_id integer NOT NULL,
    quality smallint NOT NULL
) PARTITION BY RANGE (time);
CREATE UNIQUE INDEX sample_once ON sample (series_id, time);

-- Sums of what was usable (not NaN, not BAD); rows are added to, never replaced (storage/rollup.py).
CREATE TABLE rollup_1m (
    time timestamptz NOT NULL,
    series_id integer NOT NULL,
    n integer NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    PRIMARY KEY (series_id, time)
) PARTITION BY RANGE (time);

CREATE TABLE rollup_1h (LIKE rollup_1m INCLUDING INDEXES) PARTITION BY RANGE (time);

INSERT INTO storage_meta VALUES ('samples', 'native');
