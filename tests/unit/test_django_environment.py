"""What our configuration tells Django stands in the environment of a process, where the next `load` finds it again."""

from dataclasses import replace

from service.config import Config, load
from service.orm import environment


def test_what_django_is_told_is_configuration_that_can_be_read_again(monkeypatch):
    config = Config()
    config = replace(config, database=replace(config.database, dsn="dbname=x"))
    for name, value in environment(config).items():
        monkeypatch.setenv(name, value)
    read = load(None, running=False)
    assert read.alerts.short_close == config.alerts.short_close
    assert read.console.silent_after_s == config.console.silent_after_s
    assert read.database.dsn == "dbname=x"
