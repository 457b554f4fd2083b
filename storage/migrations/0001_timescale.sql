-- Samples and rollups with TimescaleDB: a hypertable and continuous aggregates under the same names.

CREATE TABLE sample (
    time timestamptz NOT NULL,
    value double precision NOT NULL,
    series_id integer NOT NULL,
    quality smallint NOT NULL
);
SELECT create_hypertable('sample', by_range('time', interval '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX sample_once ON sample (series_id, time);
ALTER TABLE sample SET (timescaledb.compress, timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'time');

CREATE MATERIALIZED VIEW rollup_1m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(interval '1 minute', time) AS time, series_id,
       count(*)::integer AS n, sum(value) AS sum, min(value) AS min, max(value) AS max
FROM sample WHERE value <> 'NaN' AND quality & 3 <> 0
GROUP BY 1, 2 WITH NO DATA;

CREATE MATERIALIZED VIEW rollup_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket(interval '1 hour', time) AS time, series_id,
       sum(n)::integer AS n, sum(sum) AS sum, min(min) AS min, max(max) AS max
FROM rollup_1m
GROUP BY 1, 2 WITH NO DATA;

INSERT INTO storage_meta VALUES ('samples', 'timescale');
