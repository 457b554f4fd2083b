"""The SQL of the panels; Grafana fills in the time range and the variables.

Views and columns: storage/migrations/0001_views.sql; names: the tables of registry/ (docs/registry.md).
"""

# A gateway that said nothing for so long is not online here; alerts have their own, exact rule.
ONLINE_S = 300

OPEN_ALERTS = """
    SELECT a.level AS "等级 Level", e.name AS "企业 Enterprise",
           coalesce(d.name_zh || ' ' || s.name_zh, sd.name_zh, sg.code, e.name) AS "对象 Subject",
           coalesce(w.title_zh || ' ' || a.rule, a.rule) AS "规则 Rule",
           a.value AS "当前值 Value", a."limit" AS "限值 Limit", a.unit AS "单位 Unit",
           a.raised AS "发生 Raised", extract(epoch FROM now() - a.raised)::float AS "持续 Open for",
           CASE a.state WHEN 'unack' THEN '未响应 unanswered' WHEN 'acked' THEN '已响应 acknowledged'
                        WHEN 'rtn_unack' THEN '已恢复未响应 back, unanswered' ELSE '已恢复 back to normal' END
               AS "状态 State",
           a.times AS "次数 Times", a.id AS "编号 ID"
    FROM alerts_open a
    JOIN registry_enterprise e ON e.id = a.enterprise
    LEFT JOIN rule_words w ON w.code = a.rule
    LEFT JOIN registry_series s ON a.subject_kind = 1 AND s.id = a.subject
    LEFT JOIN registry_device d ON d.id = s.device_id
    LEFT JOIN registry_device sd ON a.subject_kind = 2 AND sd.id = a.subject
    LEFT JOIN registry_gateway sg ON a.subject_kind = 3 AND sg.id = a.subject
    WHERE e.code IN (${enterprise:sqlstring})
    ORDER BY a.level DESC, a.raised DESC
    LIMIT 200
"""

READINGS = """
    SELECT r.time, r.value,
           d.name_zh || ' ' || s.name_zh || coalesce(' ' || nullif(s.unit, ''), '') AS metric
    FROM readings r
    JOIN registry_series s ON s.id = r.series_id
    JOIN registry_device d ON d.id = s.device_id
    JOIN registry_gateway g ON g.id = d.gateway_id
    JOIN registry_enterprise e ON e.id = g.enterprise_id
    WHERE $__timeFilter(r.time) AND e.code IN (${enterprise:sqlstring})
      AND d.code IN (${device:sqlstring}) AND s.signal IN (${signal:sqlstring}) AND r.quality > 0
    ORDER BY r.time
    LIMIT 20000
"""

MINUTES = """
    SELECT m.time, m.avg AS value,
           d.name_zh || ' ' || s.name_zh || coalesce(' ' || nullif(s.unit, ''), '') AS metric
    FROM readings_1m m
    JOIN registry_series s ON s.id = m.series_id
    JOIN registry_device d ON d.id = s.device_id
    JOIN registry_gateway g ON g.id = d.gateway_id
    JOIN registry_enterprise e ON e.id = g.enterprise_id
    WHERE $__timeFilter(m.time) AND e.code IN (${enterprise:sqlstring})
      AND d.code IN (${device:sqlstring}) AND s.signal IN (${signal:sqlstring})
    ORDER BY m.time
    LIMIT 50000
"""

LATEST = """
    SELECT e.name AS "企业 Enterprise", d.name_zh AS "设备 Device", s.name_zh AS "信号 Signal",
           l.value AS "最新值 Latest", s.unit AS "单位 Unit", l.time AS "测量时间 Measured",
           extract(epoch FROM now() - l.arrived)::float AS "距上次到达 Age"
    FROM latest l
    JOIN registry_series s ON s.id = l.series_id
    JOIN registry_device d ON d.id = s.device_id
    JOIN registry_gateway g ON g.id = d.gateway_id
    JOIN registry_enterprise e ON e.id = g.enterprise_id
    WHERE e.code IN (${enterprise:sqlstring}) AND d.code IN (${device:sqlstring})
    ORDER BY e.code, d.code, s.signal
    LIMIT 500
"""

ONLINE = f"""
    SELECT count(*) FILTER (WHERE newest > now() - interval '{ONLINE_S} seconds')::float
           / greatest(count(*), 1) AS online
    FROM (
        SELECT g.id, max(l.arrived) AS newest
        FROM registry_gateway g
        LEFT JOIN registry_device d ON d.gateway_id = g.id
        LEFT JOIN registry_series s ON s.device_id = d.id
        LEFT JOIN latest l ON l.series_id = s.id
        WHERE g.active
        GROUP BY g.id
    ) AS gateway
"""  # noqa: S608 - a number of ours

ENTERPRISES = """
    SELECT code AS __value, name AS __text FROM registry_enterprise WHERE active ORDER BY code
"""

DEVICES = """
    SELECT DISTINCT d.code
    FROM registry_device d
    JOIN registry_gateway g ON g.id = d.gateway_id
    JOIN registry_enterprise e ON e.id = g.enterprise_id
    WHERE d.active AND e.code IN (${enterprise:sqlstring})
    ORDER BY 1
"""

SIGNALS = """
    SELECT DISTINCT s.signal
    FROM registry_series s
    JOIN registry_device d ON d.id = s.device_id
    WHERE s.active AND d.code IN (${device:sqlstring})
    ORDER BY 1
"""
