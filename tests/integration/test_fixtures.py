"""The shared fixtures do what their names say."""

import psycopg


def test_database_is_migrated_and_of_the_tests_own(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('django_migrations')").fetchone() != (None,)
        connection.execute("CREATE TABLE mine ()")


def test_the_next_database_is_fresh(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_empty_database_has_no_tables(empty_database):
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,)
