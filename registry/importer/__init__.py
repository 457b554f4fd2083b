"""A town file into the registry: read (toml_form, csv_form), check, plan, apply; `run.import_town` does all.

Only `apply` and `run` know Django; the rest is pure.
"""
