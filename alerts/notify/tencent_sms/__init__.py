"""腾讯云短信: SMS by Tencent Cloud."""
