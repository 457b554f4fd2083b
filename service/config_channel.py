"""The ways to reach people, as configuration: one class per kind, with the keys that alerts/notify/KIND takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from service.config_read import Between, Secret

Rate = Annotated[int, Between(1, 1_000_000, told=False)]
Port = Annotated[int, Between(1, 65535)]
SecretText = Annotated[str, Secret()]


@dataclass(frozen=True, slots=True)
class LogChannel:
    """Writes notes into the notifier's log: for trying out, and as the last resort.

    path        a file that gets them too, as JSON lines
    per_minute  no more than this
    """

    kind: Literal["log"] = "log"
    path: str = ""
    per_minute: Rate = 1_000_000


@dataclass(frozen=True, slots=True)
class WecomRobot:
    """A group robot of WeCom (企业微信群机器人); the contact's address is the robot's key.

    key         used when the contact's address names none
    url         where the robot listens
    per_minute  the provider takes 20 messages per minute and robot
    """

    kind: Literal["wecom_robot"] = "wecom_robot"
    key: SecretText = field(default="", repr=False)
    url: str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
    per_minute: Rate = 18


@dataclass(frozen=True, slots=True)
class WecomApp:
    """An app of WeCom (企业微信应用消息); the contact's address is the member's id.

    corp_id     from WeCom's administration
    secret      of the app
    agent_id    number of the app
    url         where WeCom listens
    per_minute  the provider takes 30 a minute for one member
    """

    kind: Literal["wecom_app"] = "wecom_app"
    corp_id: str = ""
    secret: SecretText = field(default="", repr=False)
    agent_id: Annotated[int, Between(0, 1 << 31, told=False)] = 0
    url: str = "https://qyapi.weixin.qq.com"
    per_minute: Rate = 27


@dataclass(frozen=True, slots=True)
class WechatTemplate:
    """Template messages of a WeChat service account (微信服务号); the contact's address is the openid.

    app_id       of the account
    secret       of the account
    template_id  of the template
    fields       name in the template -> name of a fact (docs/alerts.md)
    url          where WeChat listens
    per_minute   no more than this
    """

    kind: Literal["wechat_template"] = "wechat_template"
    app_id: str = ""
    secret: SecretText = field(default="", repr=False)
    template_id: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: {"thing1": "subject", "time2": "since"})
    url: str = "https://api.weixin.qq.com"
    per_minute: Rate = 600


@dataclass(frozen=True, slots=True)
class AliyunSms:
    """SMS by Aliyun (阿里云短信); the contact's address is the mobile number.

    access_key_id      of an account that may send
    access_key_secret  its secret
    sign_name          the approved signature
    template_code      the approved template
    params             variable of the template -> name of a fact (docs/alerts.md)
    param_chars        longest variable
    url                where Aliyun listens
    per_minute         no more than this to one number
    """

    kind: Literal["aliyun_sms"] = "aliyun_sms"
    access_key_id: str = ""
    access_key_secret: SecretText = field(default="", repr=False)
    sign_name: str = ""
    template_code: str = ""
    params: Mapping[str, str] = field(
        default_factory=lambda: {"level": "level", "subject": "subject", "value": "value", "id": "alert"}
    )
    param_chars: Annotated[int, Between(1, 500)] = 35
    url: str = "https://dysmsapi.aliyuncs.com"
    per_minute: Rate = 5


@dataclass(frozen=True, slots=True)
class TencentSms:
    """SMS by Tencent Cloud (腾讯云短信); the contact's address is the mobile number.

    secret_id    of an account that may send
    secret_key   its secret
    app_id       SdkAppId of the SMS application
    sign_name    the approved signature
    template_id  the approved template
    params       facts for the template's variables, in its order (docs/alerts.md)
    param_chars  longest variable
    region       of the application
    url          where Tencent Cloud listens
    per_minute   no more than this to one number
    """

    kind: Literal["tencent_sms"] = "tencent_sms"
    secret_id: str = ""
    secret_key: SecretText = field(default="", repr=False)
    app_id: str = ""
    sign_name: str = ""
    template_id: str = ""
    params: tuple[str, ...] = ("level", "subject", "value", "alert")
    param_chars: Annotated[int, Between(1, 500)] = 35
    region: str = "ap-guangzhou"
    url: str = "https://sms.tencentcloudapi.com"
    per_minute: Rate = 2


@dataclass(frozen=True, slots=True)
class DingtalkRobot:
    """A group robot of DingTalk (钉钉群机器人); the contact's address is the robot's token.

    token       used when the contact's address names none
    secret      signs, SEC…; empty: unsigned
    url         where the robot listens
    per_minute  beyond 20 a minute the provider shuts the robot out for ten
    """

    kind: Literal["dingtalk_robot"] = "dingtalk_robot"
    token: SecretText = field(default="", repr=False)
    secret: SecretText = field(default="", repr=False)
    url: str = "https://oapi.dingtalk.com/robot/send"
    per_minute: Rate = 18


@dataclass(frozen=True, slots=True)
class FeishuRobot:
    """A group robot of Feishu (飞书群机器人); the contact's address is the robot's key.

    key         used when the contact's address is empty
    secret      signs; empty: unsigned
    url         where the robot listens
    per_minute  the provider takes 100
    """

    kind: Literal["feishu_robot"] = "feishu_robot"
    key: SecretText = field(default="", repr=False)
    secret: SecretText = field(default="", repr=False)
    url: str = "https://open.feishu.cn/open-apis/bot/v2/hook"
    per_minute: Rate = 90


@dataclass(frozen=True, slots=True)
class Email:
    """E-mail by SMTP; the contact's address is the e-mail address.

    host        the mail server
    port        587 with starttls, 465 with tls
    user        empty: no sign-in
    password    of the user
    sender      address in From
    tls         starttls, tls from the first byte, or none
    ca_file     certificates to trust; empty: those of the system
    timeout_s   one attempt
    per_minute  no more than this
    """

    kind: Literal["email"] = "email"
    host: str = ""
    port: Port = 587
    user: str = ""
    password: SecretText = field(default="", repr=False)
    sender: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    timeout_s: Annotated[float, Between(0.1, 300, told=False)] = 10.0
    per_minute: Rate = 60


@dataclass(frozen=True, slots=True)
class Webhook:
    """POSTs JSON, signed with HMAC-SHA256, to an address of yours.

    url         used when the contact's address is empty
    secret      signs the body; empty: unsigned
    per_minute  no more than this
    """

    kind: Literal["webhook"] = "webhook"
    url: str = ""
    secret: SecretText = field(default="", repr=False)
    per_minute: Rate = 600


Channel = (
    LogChannel
    | WecomRobot
    | WecomApp
    | WechatTemplate
    | AliyunSms
    | TencentSms
    | DingtalkRobot
    | FeishuRobot
    | Email
    | Webhook
)

# Without these a channel reaches nobody, whatever the contacts' addresses are.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "wecom_app": ("corp_id", "secret", "agent_id"),
    "wechat_template": ("app_id", "secret", "template_id"),
    "aliyun_sms": ("access_key_id", "access_key_secret", "sign_name", "template_code"),
    "tencent_sms": ("secret_id", "secret_key", "app_id", "sign_name", "template_id"),
    "email": ("host", "sender"),
}
