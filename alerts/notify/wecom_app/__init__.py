"""企业微信应用消息: an app of WeCom writes to members."""
