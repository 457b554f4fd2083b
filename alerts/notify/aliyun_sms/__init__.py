"""阿里云短信: SMS by Aliyun."""
