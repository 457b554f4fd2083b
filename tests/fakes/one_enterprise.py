"""The top of many tests' town: one county, one enterprise E1; gateways and devices follow."""

ONE_ENTERPRISE = """
[[area]]
code = "1"
name = "县"
level = "county"
[[enterprise]]
code = "E1"
name = "甲木业"
area = "1"
"""
