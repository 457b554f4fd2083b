"""Servers that `fengsui up` and the tests run as children: nats-server with MQTT, PostgreSQL 18."""
