"""飞书群机器人: a group robot of Feishu."""
