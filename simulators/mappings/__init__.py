"""Mappings of public recordings, each beside the town file that registers its devices and limits."""
