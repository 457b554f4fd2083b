-- What people are told about each rule that ever was in force.  Written by the pipeline's keeper; a rule that has gone
-- keeps its last words, because its alerts stay.
CREATE TABLE rule_words (
    code text PRIMARY KEY,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    advice_zh text NOT NULL,
    advice_en text NOT NULL
);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fengsui_reader') THEN
        GRANT SELECT ON rule_words TO fengsui_reader;
    END IF;
END $$;
