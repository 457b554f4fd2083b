"""The rules that no pack holds: limits of the registry, and what tells that our picture of the plant is not whole.

Their numbers stand in `[watch]` and in the registry; where each is decided: docs/rules.md.
"""

from __future__ import annotations

from core.events import Rule

LIMIT = Rule(
    code="LIMIT",
    title_zh="超过限值",
    title_en="limit exceeded",
    advice_zh="到现场核实读数；必要时停机，按处置规程处理后反馈。",
    advice_en="Check the reading on site; stop the machine if need be, follow the procedure, report back.",
    source="limit set for this series in the registry",
)
SERIES_SILENT = Rule(
    code="Q-02",
    title_zh="测点数据中断",
    title_en="series silent",
    unit="s",
    advice_zh="检查传感器、接线和网关采集；数据中断期间无法判断是否安全。",
    advice_en="Check sensor, wiring and gateway; without data nobody can tell whether it is safe.",
    source="default of ours",
    data_quality=True,
)
GATEWAY_SILENT = Rule(
    code="Q-01",
    title_zh="网关离线",
    title_en="gateway offline",
    unit="s",
    advice_zh="检查网关供电和网络；离线期间该网关全部测点无法监测。",
    advice_en="Check the gateway's power and network; none of its series can be watched meanwhile.",
    source="default of ours",
    data_quality=True,
)
CLOCK_WRONG = Rule(
    code="Q-06",
    title_zh="网关时钟偏差",
    title_en="gateway clock off",
    unit="s",
    advice_zh="校准网关时钟（启用 NTP，检查时区）；正数为慢，负数为快。时钟不准时，报警和记录的时间不可信。",
    advice_en="Set the gateway's clock (NTP, time zone); positive = behind. Until then its times cannot be trusted.",
    source="default of ours",
    data_quality=True,
)
ENTERPRISE_SILENT = Rule(
    code="Q-10",
    title_zh="企业长时间无数据",
    title_en="no data from the enterprise for long",
    unit="s",
    advice_zh="联系企业核实：疑似停用、拆除或断电规避监测；确属停产的，登记停产报备。",
    advice_en="Ask the enterprise: monitoring may have been switched off; a real stop must be declared.",
    source="default of ours",
    data_quality=True,
)
OUT_OF_RANGE = Rule(
    code="Q-03",
    title_zh="读数超出物理范围",
    title_en="readings outside their physical range",
    unit="条/10min",
    advice_zh="检查传感器断线、短路和量程换算；这些读数未入库，见“拒收”明细。",
    advice_en="Check the sensor for an open or short circuit, and its scale; these readings are not stored.",
    source="default of ours",
    data_quality=True,
)
MISSING = Rule(
    code="Q-08",
    title_zh="报文序号不连续",
    title_en="messages are missing",
    unit="条/10min",
    advice_zh="检查网关网络和缓存补传；缺失期间的数据可能没有上传。",
    advice_en="Check the gateway's network and its buffer; what was measured meanwhile may not have been sent.",
    source="default of ours",
    data_quality=True,
)
UNREADABLE = Rule(
    code="Q-09",
    title_zh="报文无法解析",
    title_en="messages that cannot be read",
    unit="%",
    advice_zh="核对网关协议、校验和数据格式；可用 fengsui decode 试解拒收的原文。",
    advice_en="Check the gateway's protocol, checksum and format; try its rejects with fengsui decode.",
    source="default of ours",
    data_quality=True,
)
BUILT_IN = (
    LIMIT, SERIES_SILENT, GATEWAY_SILENT, CLOCK_WRONG, ENTERPRISE_SILENT, OUT_OF_RANGE, MISSING, UNREADABLE,
)  # fmt: skip
