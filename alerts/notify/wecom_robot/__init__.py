"""企业微信群机器人: a group robot of WeCom."""
