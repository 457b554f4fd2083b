"""微信服务号模板消息: a service account of WeChat."""
