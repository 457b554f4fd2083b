"""Signatures against vectors that the providers have published, and one of our own notes."""

import hashlib
from urllib.parse import quote

from alerts.notify.aliyun_sms.channel import authorization as acs3
from alerts.notify.aliyun_sms.channel import canonical_query
from alerts.notify.dingtalk_robot.channel import sign as dingtalk
from alerts.notify.feishu_robot.channel import sign as feishu
from alerts.notify.tencent_sms.channel import authorization as tc3
from alerts.notify.webhook.channel import sign as webhook

# echo -n '1700000000.{}' | openssl dgst -sha256 -hmac s3cret
MAC = "97926816e98fbb41ccb1673225ff29a2f35369099990e1b1561651e7bd097ebf"


def test_aliyun_acs3_gives_the_published_signature():
    """The example of RunInstances in the provider's page on signatures V3."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )
    given = acs3("YourAccessKeyId", "YourAccessKeySecret", query=query, headers=headers)
    assert given == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_aliyun_encodes_after_rfc_3986():
    assert canonical_query({"b": "a b*~/中", "a": "1"}) == "a=1&b=a%20b%2A~%2F%E4%B8%AD"


def test_tencent_tc3_gives_the_published_signature():
    """The example of DescribeInstances in the provider's page on signatures v3."""
    given = tc3(
        "AKIDEXAMPLE",
        "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
        host="cvm.tencentcloudapi.com",
        content=rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
        now_s=1551113065,
        service="cvm",
    )
    assert given == (
        "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


def test_dingtalk():
    assert (
        quote(dingtalk("SECtest", "1700000000000"), safe="")
        == "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D"
    )


def test_feishu_signs_nothing_under_time_and_secret():
    """printf '' | openssl dgst -sha256 -hmac "$(printf '1700000000\\nSECtest')" -binary | base64"""
    assert feishu("SECtest", "1700000000") == "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="


def test_webhook():
    assert webhook("s3cret", "1700000000", b"{}") == MAC
