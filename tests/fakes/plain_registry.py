"""A town file as a catalog, without a database: for tests of what is made of a catalog."""

from service.town_catalog import catalog_of

__all__ = ["catalog_of"]
