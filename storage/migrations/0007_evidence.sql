-- Why an alert was raised: readings, limit, rule, as they were then.  Filled within seconds after the transition, once.
CREATE TABLE evidence (
    alert text NOT NULL,
    seq integer NOT NULL,
    gathered_ns bigint NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (alert, seq)
);
