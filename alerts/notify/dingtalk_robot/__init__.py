"""钉钉群机器人: a group robot of DingTalk."""
